/* SPDX-License-Identifier: BSD-3-Clause */
/* qemu_count.c: a QEMU plugin that counts instructions between two markers.
 *
 * Markers are moves of a register to itself that no compiler emits: r10 or x10 begins, r11 or x11
 * ends. Writes one line per region to the file named by `out=`, and at the end of a program what it
 * executed in all to the file named by `total=`. The few declarations it needs of qemu-plugin.h (API
 * version 1) are repeated here, because Debian does not package that header.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                           void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum qemu_plugin_op,
                                                void *, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *),
                                            enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

static uint64_t executed, begun;
static char path[4096], total_path[4096];

static void begin(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    begun = executed;
}

static void end(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    FILE *file = fopen(path, "a");
    if (file != NULL) {
        fprintf(file, "%llu\n", (unsigned long long)(executed - begun));
        fclose(file);
    }
}

/* 1 begins a region, 2 ends it, 0 is any other instruction. */
static int marker(const struct qemu_plugin_insn *instruction)
{
    const void *bytes = qemu_plugin_insn_data(instruction);
    uint16_t half;
    uint32_t word;
    if (qemu_plugin_insn_size(instruction) == 2) {
        memcpy(&half, bytes, 2);
        return half == 0x46d2u ? 1 : half == 0x46dbu ? 2 : 0;
    }
    memcpy(&word, bytes, 4);
    return word == 0xaa0a03eau ? 1 : word == 0xaa0b03ebu ? 2 : 0;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        const int kind = marker(instruction);
        if (kind == 0) {
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64,
                                                       &executed, 1);
        } else {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, kind == 1 ? begin : end,
                                                   QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
    }
}

static void ended(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    FILE *file = fopen(total_path, "w");
    if (file != NULL) {
        fprintf(file, "%llu\n", (unsigned long long)executed);
        fclose(file);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            snprintf(path, sizeof path, "%s", argv[i] + 4);
        } else if (strncmp(argv[i], "total=", 6) == 0) {
            snprintf(total_path, sizeof total_path, "%s", argv[i] + 6);
            qemu_plugin_register_atexit_cb(id, ended, NULL);
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
