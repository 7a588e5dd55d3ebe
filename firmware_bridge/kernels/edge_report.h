/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_report.h: what a model is and what it must be fed, as NAME_report gives it. */
#ifndef EDGE_REPORT_H
#define EDGE_REPORT_H

#include <stdint.h>

typedef struct {
    const char *ident;             /* a line that `strings IMAGE | grep @(#)` finds */
    const char *name;              /* what the symbols begin with */
    const char *version;           /* of the generator */
    const char *bundle_sha256;     /* of the bundle's manifest.json */
    const char *graph_sha256;      /* of the integer graph */
    const char *unit;              /* of the signal behind the converter */
    const char *reference;         /* electrode, "average", "as recorded" or "unknown" */
    uint64_t build_id;             /* first bytes of the sha256 of all sources of the model */
    uint64_t femtovolts_per_count; /* 0: unknown */
    uint32_t sfreq_millihertz;     /* 0: unknown */
    int32_t n_chans;
    int32_t n_times;
    int32_t n_outputs;
    int32_t hop;
    const char *const *channels;   /* (n_chans,) in the order of a frame; NULL: unknown */
    const char *const *classes;    /* (n_outputs,) in the order of the logits; NULL: unknown */
} edge_model_report;

#endif
