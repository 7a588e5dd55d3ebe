/* SPDX-License-Identifier: BSD-3-Clause */
/* kernels.c: six small public workloads, written anew from what they compute.
 *
 * Embench times workloads of these sizes on an STM32F407 (crc32, matmult-int, ud, aha-mont64,
 * nettle-sha256, minver). Each function does one repetition of one of them:
 *
 *     int kernel_NAME(work *w, const int8_t *unused, int32_t *result)
 *
 * `w` lies in SRAM, `result` (or that of kernel_NAME_result) is what the study compares with Python;
 * all return 1.
 */
#include <stdint.h>

#define N 20
#define KERNEL __attribute__((noipa)) /* gcc: as if it came from another file */

typedef struct {
    int32_t from_a[N][N], from_b[N][N];      /* matmult-int */
    int32_t a[N][N], b[N][N], product[N][N]; /* the same; ud takes 6 x 6 of a */
    int32_t right[N], left[N], x[N];         /* ud */
    uint32_t table[256], seed;               /* crc32 */
    uint64_t m, p, q;                        /* aha-mont64 */
    uint8_t message[56], block[64];          /* nettle-sha256 */
    float f[3][3], g[3][3], h[3][3], inverse[3][3];
} work;

typedef int kernel(work *w, const int8_t *unused, int32_t *result);
kernel kernel_prepare, kernel_crc32, kernel_matmult, kernel_ud, kernel_mont64, kernel_sha256;
kernel kernel_minver, kernel_minver_result;

/* ---- crc32: 1024 pseudo-random bytes through a table of the reflected polynomial ---- */

KERNEL static int32_t next_random(uint32_t *seed)
{
    *seed = (*seed * 1103515245u + 12345u) & 0x7fffffffu;
    return (int32_t)(*seed >> 16);
}

KERNEL static uint32_t crc_of(const uint32_t *table, uint32_t *seed, int n)
{
    uint32_t crc = 0xffffffffu;
    for (int i = 0; i < n; i++) {
        crc = table[(crc ^ (uint8_t)next_random(seed)) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

int kernel_crc32(work *w, const int8_t *unused, int32_t *result)
{
    (void)unused;
    w->seed = 0;
    result[0] = (int32_t)crc_of(w->table, &w->seed, 1024);
    return 1;
}

/* ---- matmult-int: two matrices of 20 x 20, copied first ---- */

KERNEL static void multiply(int32_t a[N][N], int32_t b[N][N], int32_t c[N][N])
{
    for (int row = 0; row < N; row++) {
        for (int column = 0; column < N; column++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++) {
                sum += a[row][k] * b[k][column];
            }
            c[row][column] = sum;
        }
    }
}

int kernel_matmult(work *w, const int8_t *unused, int32_t *result)
{
    int32_t sum = 0;
    (void)unused;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            w->a[i][j] = w->from_a[i][j];
            w->b[i][j] = w->from_b[i][j];
        }
    }
    multiply(w->a, w->b, w->product);
    for (int i = 0; i < N; i++) {
        sum += w->product[i][N - 1 - i];
    }
    result[0] = sum;
    return 1;
}

/* ---- ud: six equations by LU decomposition in integers ---- */

KERNEL static void solve(int32_t a[N][N], const int32_t *right, int32_t *left, int32_t *x, int n)
{
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j <= n; j++) { /* column i of L */
            int32_t value = a[j][i];
            for (int k = 0; k < i; k++) {
                value -= a[j][k] * a[k][i];
            }
            a[j][i] = value / a[i][i];
        }
        for (int j = i + 1; j <= n; j++) { /* row i + 1 of U */
            int32_t value = a[i + 1][j];
            for (int k = 0; k <= i; k++) {
                value -= a[i + 1][k] * a[k][j];
            }
            a[i + 1][j] = value;
        }
    }
    for (int i = 0; i <= n; i++) { /* forwards */
        int32_t value = right[i];
        for (int j = 0; j < i; j++) {
            value -= a[i][j] * left[j];
        }
        left[i] = value;
    }
    for (int i = n; i >= 0; i--) { /* backwards */
        int32_t value = left[i];
        for (int j = i + 1; j <= n; j++) {
            value -= a[i][j] * x[j];
        }
        x[i] = value / a[i][i];
    }
}

int kernel_ud(work *w, const int8_t *unused, int32_t *result)
{
    (void)unused;
    for (int i = 0; i < 6; i++) {
        int32_t sum = 0;
        for (int j = 0; j < 6; j++) {
            w->a[i][j] = (i + j + 2) * (i == j ? 2 : 1);
            sum += w->a[i][j];
        }
        w->right[i] = sum;
    }
    solve(w->a, w->right, w->left, w->x, 5);
    result[0] = 0;
    for (int i = 0; i < 6; i++) {
        result[0] = 10 * result[0] + w->x[i];
    }
    return 1;
}

/* ---- aha-mont64: (p q)^4 mod m, by division and by Montgomery's multiplication ---- */

typedef struct {
    uint64_t high, low;
} wide;

KERNEL static wide product(uint64_t x, uint64_t y)
{
    const uint64_t x0 = (uint32_t)x, x1 = x >> 32, y0 = (uint32_t)y, y1 = y >> 32;
    const uint64_t low = x0 * y0;
    const uint64_t middle = x1 * y0 + (low >> 32);
    const uint64_t other = x0 * y1 + (uint32_t)middle;
    const wide made = {x1 * y1 + (middle >> 32) + (other >> 32), (other << 32) | (uint32_t)low};
    return made;
}

KERNEL static uint64_t remainder_of(wide x, uint64_t m)
{
    for (int i = 0; i < 64; i++) {
        const uint64_t carry = (uint64_t)((int64_t)x.high >> 63);
        x.high = (x.high << 1) | (x.low >> 63);
        x.low <<= 1;
        if ((x.high | carry) >= m) {
            x.high -= m;
            x.low++;
        }
    }
    return x.high;
}

KERNEL static uint64_t montgomery(uint64_t x, uint64_t y, uint64_t m, uint64_t inverse)
{
    const wide t = product(x, y);
    const wide u = product(t.low * inverse, m);
    const uint64_t carry = t.low + u.low < t.low;
    const uint64_t high = t.high + u.high + carry;
    const uint64_t over = high < t.high || (carry && high == t.high);
    return high - (m & -(uint64_t)(over || high >= m));
}

/* u and v with u 2^64 - v m = 1. */
KERNEL static void binary_gcd(uint64_t m, volatile uint64_t *u_out, volatile uint64_t *v_out)
{
    const uint64_t half = 1ull << 63;
    uint64_t u = 1, v = 0;
    for (uint64_t a = half; a > 0; a >>= 1) {
        if (u & 1) {
            u = ((u ^ m) >> 1) + (u & m);
            v = (v >> 1) + half;
        } else {
            u >>= 1;
            v >>= 1;
        }
    }
    *u_out = u;
    *v_out = v;
}

int kernel_mont64(work *w, const int8_t *unused, int32_t *result)
{
    volatile uint64_t u, v;
    const uint64_t m = w->m;
    uint64_t plain = remainder_of(product(w->p, w->q), m);
    (void)unused;
    plain = remainder_of(product(plain, plain), m);
    plain = remainder_of(product(plain, plain), m);
    binary_gcd(m, &u, &v);
    const wide p = {w->p, 0}, q = {w->q, 0};
    uint64_t power = montgomery(remainder_of(p, m), remainder_of(q, m), m, v);
    power = montgomery(power, power, m, v);
    power = montgomery(power, power, m, v);
    power = remainder_of(product(power, u), m);
    result[0] = (int32_t)(uint32_t)plain;
    result[1] = (int32_t)(uint32_t)(plain >> 32);
    result[2] = power == plain;
    return 1;
}

/* ---- nettle-sha256: FIPS 180-4 over a message of 56 bytes, two blocks ---- */

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define ROTATED(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define SCHEDULED(i)                                                                               \
    (words[(i) & 15] +=                                                                            \
     (ROTATED(words[((i) + 14) & 15], 17) ^ ROTATED(words[((i) + 14) & 15], 19) ^                  \
      (words[((i) + 14) & 15] >> 10)) +                                                            \
     words[((i) + 9) & 15] +                                                                       \
     (ROTATED(words[((i) + 1) & 15], 7) ^ ROTATED(words[((i) + 1) & 15], 18) ^                     \
      (words[((i) + 1) & 15] >> 3)))
#define ROUND(a, b, c, d, e, f, g, h, k, word)                                                     \
    do {                                                                                           \
        (h) += (ROTATED(e, 6) ^ ROTATED(e, 11) ^ ROTATED(e, 25)) + ((g) ^ ((e) & ((f) ^ (g)))) +   \
               (k) + (word);                                                                       \
        (d) += (h);                                                                                \
        (h) += (ROTATED(a, 2) ^ ROTATED(a, 13) ^ ROTATED(a, 22)) +                                 \
               (((a) & (b)) ^ ((c) & ((a) ^ (b))));                                                \
    } while (0)
#define EIGHT_ROUNDS(WORD, i)                                                                      \
    ROUND(a, b, c, d, e, f, g, h, k[(i) + 0], WORD((i) + 0));                                      \
    ROUND(h, a, b, c, d, e, f, g, k[(i) + 1], WORD((i) + 1));                                      \
    ROUND(g, h, a, b, c, d, e, f, k[(i) + 2], WORD((i) + 2));                                      \
    ROUND(f, g, h, a, b, c, d, e, k[(i) + 3], WORD((i) + 3));                                      \
    ROUND(e, f, g, h, a, b, c, d, k[(i) + 4], WORD((i) + 4));                                      \
    ROUND(d, e, f, g, h, a, b, c, k[(i) + 5], WORD((i) + 5));                                      \
    ROUND(c, d, e, f, g, h, a, b, k[(i) + 6], WORD((i) + 6));                                      \
    ROUND(b, c, d, e, f, g, h, a, k[(i) + 7], WORD((i) + 7))
#define GIVEN(i) words[i]

KERNEL static void compress(uint32_t *state, const uint8_t *block, const uint32_t *k)
{
    uint32_t words[16];
    for (int i = 0; i < 16; i++, block += 4) {
        words[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    EIGHT_ROUNDS(GIVEN, 0);
    EIGHT_ROUNDS(GIVEN, 8);
    for (int turn = 0; turn < 3; turn++) {
        k += 16;
        EIGHT_ROUNDS(SCHEDULED, 0);
        EIGHT_ROUNDS(SCHEDULED, 8);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

int kernel_sha256(work *w, const int8_t *unused, int32_t *result)
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    (void)unused;
    for (int i = 0; i < 64; i++) {
        w->block[i] = i < 56 ? w->message[i] : i == 56 ? 0x80 : 0;
    }
    compress(state, w->block, round_constants);
    for (int i = 0; i < 64; i++) {
        w->block[i] = 0;
    }
    w->block[62] = 56 * 8 >> 8;
    w->block[63] = 56 * 8 & 0xff;
    compress(state, w->block, round_constants);
    for (int i = 0; i < 8; i++) {
        result[i] = (int32_t)state[i];
    }
    return 1;
}

/* ---- minver: a 3 x 3 matrix inverted by Gauss and Jordan with pivots, and a product ---- */

KERNEL static int invert(float a[3][3], int n, float smallest)
{
    int order[3];
    for (int i = 0; i < n; i++) {
        order[i] = i;
    }
    for (int k = 0; k < n; k++) {
        int row = k;
        float largest = 0.0f;
        for (int i = k; i < n; i++) {
            const float size = a[i][k] < 0.0f ? -a[i][k] : a[i][k];
            if (size > largest) {
                largest = size;
                row = i;
            }
        }
        if (largest <= smallest) {
            return 0;
        }
        if (row != k) {
            const int kept = order[k];
            order[k] = order[row];
            order[row] = kept;
            for (int j = 0; j < n; j++) {
                const float value = a[k][j];
                a[k][j] = a[row][j];
                a[row][j] = value;
            }
        }
        const float pivot = a[k][k];
        for (int j = 0; j < n; j++) {
            a[k][j] /= pivot;
        }
        for (int i = 0; i < n; i++) {
            const float factor = a[i][k];
            if (i != k && factor != 0.0f) {
                for (int j = 0; j < n; j++) {
                    if (j != k) {
                        a[i][j] -= factor * a[k][j];
                    }
                }
                a[i][k] = -factor / pivot;
            }
        }
        a[k][k] = 1.0f / pivot;
    }
    for (int i = 0; i < n; i++) {
        while (order[i] != i) {
            const int k = order[i], kept = order[k];
            order[k] = k;
            order[i] = kept;
            for (int j = 0; j < n; j++) {
                const float value = a[j][k];
                a[j][k] = a[j][i];
                a[j][i] = value;
            }
        }
    }
    return 1;
}

KERNEL static void multiply_float(float a[3][3], float b[3][3], float c[3][3], int n)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            float sum = 0.0f;
            for (int k = 0; k < n; k++) {
                sum += a[i][k] * b[k][j];
            }
            c[i][j] = sum;
        }
    }
}

int kernel_minver(work *w, const int8_t *unused, int32_t *result)
{
    const int n = 3;
    (void)unused;
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            w->inverse[i][j] = w->f[i][j];
        }
    }
    invert(w->inverse, n, 1e-6f);
    multiply_float(w->f, w->g, w->h, n);
    result[0] = 0;
    return 1;
}

/* What it computed, in thousandths; not counted. */
int kernel_minver_result(work *w, const int8_t *unused, int32_t *result)
{
    (void)unused;
    for (int i = 0; i < 9; i++) {
        const float value = 1000.0f * w->inverse[i / 3][i % 3];
        result[i] = (int32_t)(value + (value < 0.0f ? -0.5f : 0.5f));
        result[9 + i] = (int32_t)w->h[i / 3][i % 3];
    }
    return 1;
}

/* ---- what the others start from; not counted ---- */

int kernel_prepare(work *w, const int8_t *unused, int32_t *result)
{
    static const float f[3][3] = {{3, -6, 7}, {9, 0, -5}, {5, -8, 6}};
    static const float g[3][3] = {{-3, 0, 2}, {3, -2, 0}, {0, 2, -3}};
    uint32_t seed = 0;
    (void)unused;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t entry = i;
        for (int bit = 0; bit < 8; bit++) {
            entry = entry & 1 ? 0xedb88320u ^ (entry >> 1) : entry >> 1;
        }
        w->table[i] = entry;
    }
    for (int i = 0; i < 2 * N * N; i++) {
        seed = (seed * 133 + 81) % 8095;
        (i < N * N ? w->from_a : w->from_b)[i / N % N][i % N] = (int32_t)seed;
    }
    w->m = 0xfae849273928f89full;
    w->p = 0x0549372187237fefull;
    w->q = 0x14736defb9330573ull;
    for (int i = 0; i < 56; i++) {
        w->message[i] = (uint8_t)('a' + i / 4 + i % 4); /* abcdbcdecdef… */
    }
    for (int i = 0; i < 9; i++) {
        w->f[i / 3][i % 3] = f[i / 3][i % 3];
        w->g[i / 3][i % 3] = g[i / 3][i % 3];
    }
    result[0] = (int32_t)sizeof(work);
    return 1;
}
