/* SPDX-License-Identifier: BSD-3-Clause */
/* count.c: a Unicorn block hook that counts executed instructions, in all and by layer.
 *
 * Unicorn calls it once per executed basic block. A block's instructions are counted by decoding
 * their lengths (Thumb: 2 or 4 bytes; AArch64: 4) and remembered by address.
 */
#include <stdint.h>
#include <string.h>

#define N_LAYERS 64
#define N_CACHED 65536

static const uint8_t *image;
static uint64_t image_base, image_size;
static int is_thumb;
static uint64_t layer_at[N_LAYERS];
static unsigned n_layers, layer;
static struct {
    uint64_t address;
    uint32_t size, count;
} cached[N_CACHED];

uint64_t counts[N_LAYERS + 1]; /* by layer; the last one is outside of all */

/* The program's bytes from address `base` on, and the addresses of its layer markers. */
void begin(const uint8_t *bytes, uint64_t base, uint64_t size, int thumb, const uint64_t *markers,
           unsigned n_markers)
{
    image = bytes;
    image_base = base;
    image_size = size;
    is_thumb = thumb;
    n_layers = n_markers;
    memcpy(layer_at, markers, n_markers * sizeof *markers);
    memset(cached, 0, sizeof cached);
    memset(counts, 0, sizeof counts);
    layer = N_LAYERS;
}

static uint32_t decode(uint64_t address, uint32_t size)
{
    if (!is_thumb) {
        return size / 4;
    }
    uint32_t n = 0;
    for (uint64_t p = address; p < address + size; n++) {
        uint16_t half = 0;
        if (p - image_base + 2 <= image_size) {
            memcpy(&half, image + (p - image_base), 2);
        }
        p += (half >> 11) >= 0x1d ? 4 : 2;
    }
    return n;
}

void on_block(void *machine, uint64_t address, uint32_t size, void *data)
{
    (void)machine;
    (void)data;
    for (unsigned i = 0; i < n_layers; i++) {
        if (layer_at[i] == address) {
            layer = i; /* the marker itself is not counted */
            return;
        }
    }
    const uint32_t slot = (uint32_t)(address >> 1) % N_CACHED;
    if (cached[slot].address != address || cached[slot].size != size) {
        cached[slot].address = address;
        cached[slot].size = size;
        cached[slot].count = decode(address, size);
    }
    counts[layer] += cached[slot].count;
}
