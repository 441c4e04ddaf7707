/* SPDX-License-Identifier: MIT */
/* chunks: what one StorageServer does with single chunk_write and chunk_read requests of one block, without names and
 * publishing. dfs-bench measures files; this measures the part of it that is the StorageServer's.
 *
 * The happy path is: a session, a grant of chunks for each connection, blocks of 4 KiB written one behind the other into
 * them; or a first part is written, and then its blocks are written anew at random, or read at random and checked against
 * the checksum that came along. Every write is durable when it is answered. The chunks are never published: the cluster
 * collects them by itself when their grants are over. Whatever fails ends the program with a sentence. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/crc.h"
#include "base/flags.h"
#include "base/rand.h"
#include "uv/net.h"
#include "wire/codec.h"

#define CALL_TIMEOUT (10 * NS_PER_SEC)
#define CHUNKS_EACH 4u     /* granted for each connection */
#define FILL_BLOCKS 16384u /* stored before reading: 64 MiB over all connections */
#define SAMPLES_MAX (4u * 1024 * 1024)
#define MAX_CONNECTIONS 1024u
#define MAX_DEPTH 1024u

struct options {
    const char *nm;
    uint64_t connections, depth, seconds;
    bool json;
};

struct place {
    uint64_t chunk;
    uint32_t version;
    char grant[256];
    uint32_t grant_len;
};

struct conn;

struct slot {
    struct conn *conn;
    uint64_t started;
    struct slice block; /* what it writes */
};

struct conn {
    struct load *load;
    struct net *net;
    struct effects fx;
    struct slot *slots;
    struct place places[CHUNKS_EACH];
    uint32_t n_places;
    uint64_t written; /* blocks */
    uint64_t busy;
};

struct load {
    const struct options *opt;
    uv_loop_t loop;
    struct link_self self;
    struct rng rng;
    struct net *control;
    struct effects fx;
    struct msg_session_open_reply session;
    char address[WIRE_ADDR_MAX + 1]; /* of the StorageServer */
    uint32_t server, chunk_size;
    struct conn *conns;
    uint32_t answered;    /* of the control calls */
    struct conn *filling; /* which gets the grant under way */
    bool reading, again;  /* again: blocks that are there */
    uint64_t began, until, fill, done, number, busy;
    uint32_t *samples, n_samples; /* us */
};

static void fail(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

static void fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("chunks: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static void send_all(struct net *n, struct effects *fx)
{
    for (uint32_t i = 0; i < fx->n; i++)
        net_call(n, &fx->v[i]);
    fx_reset(fx);
}

static void check_reply(const struct event *ev, uint16_t type)
{
    bool said = ev->msg && ev->msg->type == MSG_TYPE_error;
    if (ev->status != 0)
        fail("%s: %s %.*s", wire_type_name(type), dfs_strerror(ev->status), said ? (int)ev->msg->error.text.len : 0,
             said ? ev->msg->error.text.p : "");
    if (ev->msg->type != (type | MSG_REPLY_BIT))
        fail("%s was answered by %s", wire_type_name(type), wire_type_name(ev->msg->type));
}

/* --- setting up: a session, and chunks for each connection, all on one server --- */

static void take_grant(struct load *l, const struct msg_grant_reply *m)
{
    l->chunk_size = m->chunk_size;
    for (uint32_t i = 0; i < m->n_chunks && l->filling->n_places < CHUNKS_EACH; i++) {
        const struct wire_granted *g = &m->chunks[i];
        struct place *p = &l->filling->places[l->filling->n_places];
        if (g->n_replicas != 1 || g->grant.len > sizeof p->grant)
            continue;
        if (l->server == 0) {
            l->server = g->replicas[0].server;
            snprintf(l->address, sizeof l->address, "%.*s", STR_ARG(g->replicas[0].addr));
        }
        if (g->replicas[0].server != l->server)
            continue;
        p->chunk = g->chunk;
        p->version = g->version;
        p->grant_len = g->grant.len;
        memcpy(p->grant, g->grant.p, g->grant.len);
        l->filling->n_places++;
    }
}

static void on_control(void *arg, const struct event *ev)
{
    struct load *l = arg;
    check_reply(ev, (uint16_t)ev->token);
    if (ev->token == MSG_TYPE_session_open)
        l->session = ev->msg->session_open_reply;
    else
        take_grant(l, &ev->msg->grant_reply);
    l->answered++;
}

static void ask(struct load *l, const struct msg *m)
{
    uint32_t before = l->answered;
    fx_call(&l->fx, l->opt->nm, m, NULL, m->type, CALL_TIMEOUT);
    send_all(l->control, &l->fx);
    while (l->answered == before)
        uv_run(&l->loop, UV_RUN_ONCE);
}

static struct net *make_net(struct load *l, void (*on_event)(void *, const struct event *), void *arg)
{
    struct net *n;
    if (net_new(&l->loop, &l->self, NULL, NULL, &(struct net_handlers){on_event, arg}, &n) != 0)
        fail("no connection can be made");
    return n;
}

static void on_reply(void *arg, const struct event *ev);

static void conn_open(struct load *l, struct conn *c)
{
    c->load = l;
    c->net = make_net(l, on_reply, c);
    fx_init(&c->fx);
    c->slots = xcalloc(l->opt->depth, sizeof *c->slots);
    for (uint64_t i = 0; i < l->opt->depth; i++) {
        struct buf *b = buf_new(DFS_BLOCK);
        if (!b)
            fail("out of memory");
        for (uint32_t at = 0; at < DFS_BLOCK; at += 8)
            put_u64(b->data + at, rng_next(&l->rng));
        c->slots[i] = (struct slot){.conn = c, .block = slice_take(b, 0, DFS_BLOCK)};
    }
    struct msg grant = {.type = MSG_TYPE_grant};
    grant.grant = (struct msg_grant){.session = l->session.session, .goal = 1, .count = 4 * CHUNKS_EACH};
    l->filling = c;
    while (c->n_places < CHUNKS_EACH)
        ask(l, &grant);
}

static void load_open(struct load *l, const struct options *o)
{
    struct msg session = {.type = MSG_TYPE_session_open};
    uint64_t random[2];
    *l = (struct load){.opt = o, .self = {.role = ROLE_CLIENT, .software = "chunks"}};
    if (entropy_get(random, sizeof random) != 0)
        fail("the system gives no random numbers");
    l->self.node = random[0];
    rng_seed(&l->rng, random[1]);
    uv_loop_init(&l->loop);
    fx_init(&l->fx);
    l->control = make_net(l, on_control, l);
    session.session_open = (struct msg_session_open){.nonce = random[1], .who = STR("chunks")};
    ask(l, &session);
    l->conns = xcalloc(o->connections, sizeof *l->conns);
    for (uint64_t i = 0; i < o->connections; i++)
        conn_open(l, &l->conns[i]);
    l->samples = xcalloc(SAMPLES_MAX, sizeof *l->samples);
}

/* --- one request after the other --- */

static bool next_write(struct load *l, struct conn *c, struct slot *s)
{
    uint64_t blocks = l->chunk_size / DFS_BLOCK, at = l->again ? rng_below(&l->rng, c->written) : c->written;
    const struct place *p = &c->places[at / blocks % CHUNKS_EACH];
    uint32_t crc;
    struct msg m = {.type = MSG_TYPE_chunk_write};
    if (l->fill ? l->number >= l->fill : s->started >= l->until)
        return false;
    c->written += !l->again;
    l->number++;
    put_u64(slice_data(s->block), l->number);
    put_u32((uint8_t *)&crc, crc32c(0, slice_data(s->block), DFS_BLOCK));
    m.chunk_write = (struct msg_chunk_write){
        .grant = {p->grant, p->grant_len},
        .chunk = p->chunk,
        .version = p->version,
        .session = l->session.session,
        .number = l->number,
        .offset = (uint32_t)(at % blocks) * DFS_BLOCK,
        .length = DFS_BLOCK,
        .crcs = {(const char *)&crc, sizeof crc},
    };
    struct payload payload = payload_of(slice_ref(s->block));
    fx_call(&c->fx, l->address, &m, &payload, (uint64_t)(s - c->slots), CALL_TIMEOUT);
    return true;
}

static bool next_read(struct load *l, struct conn *c, const struct slot *s)
{
    uint64_t blocks = l->chunk_size / DFS_BLOCK, at = rng_below(&l->rng, c->written);
    const struct place *p = &c->places[at / blocks % CHUNKS_EACH];
    struct msg m = {.type = MSG_TYPE_chunk_read};
    if (s->started >= l->until)
        return false;
    m.chunk_read = (struct msg_chunk_read){.grant = {p->grant, p->grant_len},
                                           .chunk = p->chunk,
                                           .version = p->version,
                                           .offset = (uint32_t)(at % blocks) * DFS_BLOCK,
                                           .length = DFS_BLOCK};
    fx_call(&c->fx, l->address, &m, NULL, (uint64_t)(s - c->slots), CALL_TIMEOUT);
    return true;
}

static void slot_next(struct slot *s)
{
    struct conn *c = s->conn;
    struct load *l = c->load;
    s->started = uv_hrtime();
    if (!(l->reading ? next_read(l, c, s) : next_write(l, c, s)))
        return;
    l->busy++;
    send_all(c->net, &c->fx);
}

static void check_block(const struct event *ev)
{
    const struct msg_chunk_read_reply *m = &ev->msg->chunk_read_reply;
    uint32_t crc = 0;
    if (m->n_pieces != 1 || m->crcs.len != 4 || payload_len(ev->payload) != DFS_BLOCK)
        fail("a block was not read as it was written");
    for (unsigned i = 0; i < PAYLOAD_PARTS; i++)
        crc = crc32c(crc, slice_data(ev->payload->part[i]), ev->payload->part[i].len);
    if (crc != get_u32(m->crcs.p))
        fail("a block does not fit its checksum");
}

static void on_reply(void *arg, const struct event *ev)
{
    struct conn *c = arg;
    struct load *l = c->load;
    struct slot *s = &c->slots[ev->token];
    check_reply(ev, l->reading ? MSG_TYPE_chunk_read : MSG_TYPE_chunk_write);
    if (l->reading)
        check_block(ev);
    l->done++;
    l->busy--;
    if (l->n_samples < SAMPLES_MAX)
        l->samples[l->n_samples++] = (uint32_t)((uv_hrtime() - s->started) / 1000);
    slot_next(s);
}

static void run(struct load *l)
{
    l->done = l->n_samples = 0;
    l->began = uv_hrtime();
    l->until = l->began + l->opt->seconds;
    for (uint64_t d = 0; d < l->opt->depth; d++)
        for (uint64_t i = 0; i < l->opt->connections; i++)
            slot_next(&l->conns[i].slots[d]);
    while (l->busy > 0)
        uv_run(&l->loop, UV_RUN_ONCE);
}

/* --- the report --- */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct load *l)
{
    double seconds = (double)(uv_hrtime() - l->began) / 1e9, rate = (double)l->done / seconds;
    const char *op = l->reading ? "chunk_read" : l->again ? "chunk_rewrite" : "chunk_write";
    qsort(l->samples, l->n_samples, sizeof *l->samples, by_size);
    uint32_t p50 = l->n_samples ? l->samples[l->n_samples / 2] : 0;
    uint32_t p99 = l->n_samples ? l->samples[(uint64_t)l->n_samples * 99 / 100] : 0;
    if (l->opt->json)
        printf("{\"op\":\"%s\",\"connections\":%" PRIu64 ",\"depth\":%" PRIu64 ",\"size\":%u,\"ops\":%" PRIu64
               ",\"seconds\":%.6f,\"ops_per_s\":%.1f,\"p50_us\":%u,\"p99_us\":%u}\n",
               op, l->opt->connections, l->opt->depth, DFS_BLOCK, l->done, seconds, rate, p50, p99);
    else
        printf("%s of 4 KiB, %" PRIu64 " connections x %" PRIu64 ": %" PRIu64
               " in %.2f s, %.0f/s, p50 %u us, p99 %u us\n",
               op, l->opt->connections, l->opt->depth, l->done, seconds, rate, p50, p99);
}

int main(int argc, char **argv)
{
    struct options o = {.connections = 8, .depth = 8, .seconds = 5 * NS_PER_SEC};
    bool help = false;
    const struct flag table[] = {
        {"nm", 0, FLAG_STRING, &o.nm, "HOST:PORT", "the leading NameServer", "$DFS_NM"},
        {"connections", 'c', FLAG_U64, &o.connections, "N", "connections", "8"},
        {"depth", 0, FLAG_U64, &o.depth, "D", "requests outstanding on each", "8"},
        {"seconds", 0, FLAG_DURATION, &o.seconds, "S", "how long", "5"},
        {"json", 0, FLAG_SWITCH, &o.json, NULL, "print the result as JSON", NULL},
        {"help", 'h', FLAG_SWITCH, &help, NULL, "show this", NULL},
        {0},
    };
    const char **args = xcalloc((size_t)argc + 1, sizeof *args);
    size_t n = 0;
    char err[256] = "chunks write|rewrite|read [OPTION]...: see --help";
    bool bad = flags_parse(table, argc, argv, args, &n, err, sizeof err) != 0 || (!help && n != 1);
    bool reading = !bad && n && strcmp(args[0], "read") == 0, again = !bad && n && strcmp(args[0], "rewrite") == 0;
    bad = bad || (!help && !reading && !again && strcmp(args[0], "write") != 0);
    if (help) {
        struct bytes text;
        bytes_init(&text, 64 * 1024);
        flags_help(table, &text);
        printf("Usage: chunks write|rewrite|read [OPTION]...\n\n%.*s", (int)text.len, (const char *)text.p);
        return 0;
    }
    o.nm = o.nm ? o.nm : getenv("DFS_NM");
    if (bad || !o.nm || o.connections - 1 >= MAX_CONNECTIONS || o.depth - 1 >= MAX_DEPTH) {
        fprintf(stderr, "chunks: %s\n", bad ? err : "--nm, -c or --depth");
        return 2;
    }
    static struct load l; /* what it holds lives as long as the process */
    load_open(&l, &o);
    l.fill = reading || again ? max_u64(FILL_BLOCKS, o.connections * o.depth) : 0;
    run(&l);
    if (reading || again) {
        l.reading = reading;
        l.again = again;
        l.fill = 0;
        run(&l);
    }
    report(&l);
    free(args);
    return 0;
}
