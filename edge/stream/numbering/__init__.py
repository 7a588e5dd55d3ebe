# SPDX-License-Identifier: BSD-3-Clause
"""From what a device tells of its frames, a packet counter or timestamps, to their numbers.

Everything here is plain: numbers in, numbers and events out. No device, no clock and no thread is
touched, so that simulators and tests drive it as sources do.
"""
