# SPDX-License-Identifier: MIT
# Bash completion for dfs, paths in the cluster included, and for the flags of the other programs.

_dfs() {
    local cur=${COMP_WORDS[COMP_CWORD]} line
    COMPREPLY=()
    while IFS= read -r line; do
        if [ "$line" = :files ]; then
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
        else
            COMPREPLY+=("$line")
        fi
    done < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    compopt -o filenames 2>/dev/null
    [ ${#COMPREPLY[@]} -eq 1 ] && [ "${COMPREPLY[0]%/}" != "${COMPREPLY[0]}" ] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _dfs dfs

_dfs_program() {
    local cur=${COMP_WORDS[COMP_CWORD]} help
    help=$("${COMP_WORDS[0]}" --help 2>/dev/null)
    case $cur in
        -*) COMPREPLY=($(compgen -W "$(grep -o -e '--[a-z-]*' <<<"$help")" -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "$(sed -n '/^Workloads:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$help")" -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _dfs_program dfs-nm dfs-ss dfs-bench
