/* A plain C walk of an uncompressed .etl file: headers to columns, one record after another.
 * The yardstick for the reader's array work. Build: cc -O2 -o walk walk.c; run: ./walk FILE */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static uint32_t u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t u64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

enum { CHUNK = 1 << 24 };

struct columns {
    int64_t *tick; uint32_t *pid, *tid, *payload, *size; uint16_t *cpu, *id, *task, *flags;
    uint8_t *kind, *group, *opcode, *level, *version, *channel; uint64_t *keyword, *guid_low, *guid_high, *position;
};

static void *column(size_t n, size_t width) { void *p = calloc(n, width); if (!p) exit(2); return p; }

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) { fprintf(stderr, "usage: walk FILE\n"); return 2; }
    fseek(file, 0, SEEK_END); uint64_t total = (uint64_t)ftell(file); rewind(file);
    uint8_t *data = malloc(CHUNK); size_t most = CHUNK / 16, records = 0; uint64_t sum = 0, at = 0;
    struct columns c = {column(most, 8), column(most, 4), column(most, 4), column(most, 4), column(most, 4), column(most, 2),
        column(most, 2), column(most, 2), column(most, 2), column(most, 1), column(most, 1), column(most, 1), column(most, 1),
        column(most, 1), column(most, 1), column(most, 8), column(most, 8), column(most, 8), column(most, 8)};
    while (at < total) {
        fseek(file, (long)at, SEEK_SET);
        size_t have = fread(data, 1, CHUNK, file), base = 0, n = 0;
        while (base + 0x48 <= have) {
            uint32_t size = u32(data + base), used = u32(data + base + 0x30);
            if (size < 0x48 || base + size > have) break;
            size_t p = base + 0x48, end = base + (used < size ? used : size);
            uint16_t cpu = u16(data + base + 0x28);
            while (p + 8 <= end) {
                const uint8_t *r = data + p; uint32_t word = u32(r); uint8_t type = r[2]; uint32_t length, header;
                if (word == 0 || word == 0xFFFFFFFF) break;
                if ((word >> 28) == 9) { length = word & 0xFFFF; header = 8; type = 0x90; c.id[n] = u16(r + 4); c.flags[n] = u16(r + 6); }
                else if (type >= 1 && type <= 4) {
                    length = u16(r + 4); header = type <= 2 ? 32 : 24; c.opcode[n] = r[6]; c.group[n] = r[7];
                    c.tid[n] = u32(r + 8); c.pid[n] = u32(r + 12); c.tick[n] = (int64_t)u64(r + 16); c.version[n] = r[0];
                } else if (type == 0x10 || type == 0x11) {
                    length = u16(r + 4); header = 16; c.opcode[n] = r[6]; c.group[n] = r[7]; c.tick[n] = (int64_t)u64(r + 8);
                } else if (type == 0x12 || type == 0x13) {
                    length = word & 0xFFFF; header = 80; c.flags[n] = u16(r + 4); c.tid[n] = u32(r + 8); c.pid[n] = u32(r + 12);
                    c.tick[n] = (int64_t)u64(r + 16); c.guid_low[n] = u64(r + 24); c.guid_high[n] = u64(r + 32); c.id[n] = u16(r + 40);
                    c.version[n] = r[42]; c.channel[n] = r[43]; c.level[n] = r[44]; c.opcode[n] = r[45]; c.task[n] = u16(r + 46);
                    c.keyword[n] = u64(r + 48);
                    if (c.flags[n] & 1) {
                        uint32_t item;
                        do { item = u16(r + header); if (item < 8 || header + item > length) break;
                             uint32_t more = u16(r + header + 4) & 1; header += (item + 7) & ~7u; if (!more) break; } while (header < length);
                    }
                } else if (type == 0x0A || type == 0x14 || type == 0x0B || type == 0x15) {
                    length = word & 0xFFFF; header = type == 0x0B ? 56 : type == 0x15 ? 72 : 48; c.opcode[n] = r[4]; c.level[n] = r[5];
                    c.tid[n] = u32(r + 8); c.pid[n] = u32(r + 12); c.tick[n] = (int64_t)u64(r + 16);
                    c.guid_low[n] = u64(r + 24); c.guid_high[n] = u64(r + 32);
                } else break;
                if (length < 8 || p + length > end) break;
                c.kind[n] = type; c.cpu[n] = cpu; c.position[n] = at + p; c.payload[n] = (uint32_t)(p + header); c.size[n] = length - header;
                n++; p += (length + 7) & ~(size_t)7;
            }
            base += size;
        }
        if (!base) break;
        for (size_t i = 0; i < n; i += 4096) sum += (uint64_t)c.tick[i];
        records += n; at += base;
    }
    printf("%zu records, checksum %llx\n", records, (unsigned long long)sum);
    return 0;
}
