# SPDX-License-Identifier: MIT
# Fish completion for dfs, paths in the cluster included, and for the flags of the other programs.

function __dfs_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (dfs complete $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c dfs -f -a '(__dfs_complete)'

for program in dfs-nm dfs-ss dfs-bench
    complete -c $program -a "($program --help | string match -ra -- '--[a-z-]+')"
end
