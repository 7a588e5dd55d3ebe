/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_status.h: what the functions of a model return. */
#ifndef EDGE_STATUS_H
#define EDGE_STATUS_H

typedef enum {
    EDGE_OVERRUN = -2,    /* samples were lost: what waited for them begins anew */
    EDGE_ERROR = -1,      /* a pointer is NULL, or a value is none that the function takes */
    EDGE_NOTHING_YET = 0, /* all is well, and no window that is due is complete */
    EDGE_DECIDED = 1      /* the output is written */
} edge_status;

#endif
