// A device whose memory the host must not touch: it can be read and written only while one of the
// device's own functions runs, and whatever else does ends the test, as does a kernel that is given
// memory of the host.
#ifndef BIGSC_FAR_DEVICE_H
#define BIGSC_FAR_DEVICE_H
#include "runtime/exec/device.h"

extern const BigsDevice far_device; // computes what device_cpu computes
#endif
