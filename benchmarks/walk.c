/* A plain C walk of an uncompressed .etl file: headers to columns, one record after another.
 * The yardstick for the reader's array work. Build: cc -O2 -o walk walk.c; run: ./walk FILE */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static uint32_t u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t u64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

struct columns {
    int64_t *tick; uint32_t *pid, *tid, *size; uint16_t *cpu, *id, *task, *flags; uint8_t *kind, *group, *opcode, *level;
    uint8_t *version, *channel; uint64_t *keyword, *guid_low, *guid_high, *position, *payload;
};

static void *grown(void *old, size_t n, size_t width) { void *p = realloc(old, n * width); if (!p) exit(2); return p; }

static void grow(struct columns *c, size_t n) {
    c->tick = grown(c->tick, n, 8); c->pid = grown(c->pid, n, 4); c->tid = grown(c->tid, n, 4); c->size = grown(c->size, n, 4);
    c->cpu = grown(c->cpu, n, 2); c->id = grown(c->id, n, 2); c->task = grown(c->task, n, 2); c->flags = grown(c->flags, n, 2);
    c->kind = grown(c->kind, n, 1); c->group = grown(c->group, n, 1); c->opcode = grown(c->opcode, n, 1);
    c->level = grown(c->level, n, 1); c->version = grown(c->version, n, 1); c->channel = grown(c->channel, n, 1);
    c->keyword = grown(c->keyword, n, 8); c->guid_low = grown(c->guid_low, n, 8); c->guid_high = grown(c->guid_high, n, 8);
    c->position = grown(c->position, n, 8); c->payload = grown(c->payload, n, 8);
}

static void clear(struct columns *c, size_t i) {
    c->tick[i] = 0; c->pid[i] = c->tid[i] = 0xFFFFFFFF; c->id[i] = c->task[i] = c->flags[i] = 0;
    c->group[i] = c->opcode[i] = c->level[i] = c->version[i] = c->channel[i] = 0;
    c->keyword[i] = c->guid_low[i] = c->guid_high[i] = 0;
}

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) { fprintf(stderr, "usage: walk FILE\n"); return 2; }
    fseek(file, 0, SEEK_END);
    size_t total = (size_t)ftell(file), n = 0, room = 1 << 16, base = 0;
    rewind(file);
    uint8_t *data = malloc(total);
    if (!data || fread(data, 1, total, file) != total) return 2;
    struct columns c = {0};
    grow(&c, room);
    while (base + 0x48 <= total) {
        uint32_t size = u32(data + base), used = u32(data + base + 0x30);
        if (size < 0x48 || base + size > total) break;
        size_t p = base + 0x48, end = base + (used < size ? used : size);
        uint16_t cpu = u16(data + base + 0x28);
        while (p + 8 <= end) {
            const uint8_t *r = data + p;
            uint32_t word = u32(r), length, header;
            uint8_t type = r[2];
            if (word == 0 || word == 0xFFFFFFFF) break;
            if (n == room) grow(&c, room *= 2);
            clear(&c, n);
            if (word >> 28 == 9) {
                length = word & 0xFFFF; header = 8; type = 0x90; c.id[n] = u16(r + 4); c.flags[n] = u16(r + 6);
            } else if (type >= 1 && type <= 4) {
                length = u16(r + 4); header = type <= 2 ? 32 : 24; c.opcode[n] = r[6]; c.group[n] = r[7]; c.version[n] = r[0];
                c.tid[n] = u32(r + 8); c.pid[n] = u32(r + 12); c.tick[n] = (int64_t)u64(r + 16);
            } else if (type == 0x10 || type == 0x11) {
                length = u16(r + 4); header = 16; c.opcode[n] = r[6]; c.group[n] = r[7]; c.version[n] = r[0];
                c.tick[n] = (int64_t)u64(r + 8);
            } else if (type == 0x12 || type == 0x13) {
                length = word & 0xFFFF; header = 80; c.flags[n] = u16(r + 4); c.tid[n] = u32(r + 8); c.pid[n] = u32(r + 12);
                c.tick[n] = (int64_t)u64(r + 16); c.guid_low[n] = u64(r + 24); c.guid_high[n] = u64(r + 32);
                c.id[n] = u16(r + 40); c.version[n] = r[42]; c.channel[n] = r[43]; c.level[n] = r[44]; c.opcode[n] = r[45];
                c.task[n] = u16(r + 46); c.keyword[n] = u64(r + 48);
                for (int more = c.flags[n] & 1; more && header + 8 <= length;) {
                    uint32_t item = u16(r + header);
                    if (item < 8 || header + item > length) break;
                    more = u16(r + header + 4) & 1;
                    header += (item + 7) & ~7u;
                }
            } else if (type == 0x0A || type == 0x14 || type == 0x0B || type == 0x15) {
                length = word & 0xFFFF; header = type == 0x0A || type == 0x14 ? 48 : 72; c.opcode[n] = r[4]; c.level[n] = r[5];
                c.version[n] = r[6]; c.tid[n] = u32(r + 8); c.pid[n] = u32(r + 12); c.tick[n] = (int64_t)u64(r + 16);
                c.guid_low[n] = u64(r + 24); c.guid_high[n] = u64(r + 32);
            } else break;
            if (length < 8 || p + length > end) break;
            c.kind[n] = type; c.cpu[n] = cpu; c.position[n] = p; c.payload[n] = p + header;
            c.size[n] = length > header ? length - header : 0;
            n++;
            p += (length + 7) & ~(size_t)7;
        }
        base += size;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (uint64_t)c.tick[i];
    printf("%zu records, ticks sum to %llx\n", n, (unsigned long long)sum);
    return 0;
}
