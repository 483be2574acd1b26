// See driver.h.
#include "runtime/cuda/driver.h"
#include "base/library.h"
#include <dlfcn.h>
#include <stdio.h>

static const LibraryCall driver_calls[] = {
#define CALL(name, symbol, ...) {offsetof(CudaDriver, name), symbol, false},
#define MAYBE(name, symbol, ...) {offsetof(CudaDriver, name), symbol, true},
#include "runtime/cuda/driver.def"
#undef MAYBE
#undef CALL
};

// The first driver that knows such a version.
static int release_of(int version) {
  return version < 13000 ? 525 : 580;
}

static const char *driver_name(void) {
  return library_name("BIGSC_LIBCUDA", "libcuda.so.1");
}

static int find_calls(CudaDriver *d, int version, BigsError *e) {
  const char *lacking =
      library_calls(d->library, d, driver_calls, sizeof driver_calls / sizeof *driver_calls);
  return lacking ? bigs_fail(e, BIGS_EFILE,
                             "%s lacks %s: the NVIDIA driver is too old, install %d or a later one",
                             driver_name(), lacking, release_of(version))
                 : 0;
}

static int check_version(const CudaDriver *d, int version, BigsError *e) {
  int known = 0;
  CudaResult r = d->version(&known);
  if (r)
    return driver_fail(d, r, e, "the NVIDIA driver does not tell its version");
  return known >= version
             ? 0
             : bigs_fail(e, BIGS_EFILE,
                         "the NVIDIA driver is too old: it knows CUDA %d.%d and %d.%d is needed, "
                         "install driver %d or a later one",
                         known / 1000, known % 1000 / 10, version / 1000, version % 1000 / 10,
                         release_of(version));
}

static int start_driver(const CudaDriver *d, BigsError *e) {
  int count = 0;
  CudaResult r = d->init(0);
  r = r ? r : d->device_count(&count);
  if (r && r != CUDA_NO_GPU)
    return driver_fail(d, r, e, "the NVIDIA driver does not start");
  return count > 0 ? 0
                   : bigs_fail(e, BIGS_EFILE,
                               "there is no GPU: the NVIDIA driver sees none (CUDA_VISIBLE_DEVICES "
                               "may hide those that are there)");
}

int driver_open(CudaDriver *d, int version, BigsError *e) {
  version = version > CUDA_OLDEST ? version : CUDA_OLDEST;
  d->library = library_open(driver_name());
  if (!d->library)
    return bigs_fail(e, BIGS_EFILE, "there is no NVIDIA driver: %s", dlerror());
  int err = find_calls(d, version, e);
  err = err ? err : check_version(d, version, e);
  return err ? err : start_driver(d, e);
}

void driver_close(CudaDriver *d) {
  if (d->library)
    dlclose(d->library);
  d->library = NULL;
}

// ---- a GPU
static int find_gpu(const CudaDriver *d, int ordinal, CudaGpu *out, BigsError *e) {
  int count = 0;
  CudaResult r = d->device_count(&count);
  if (!r && (ordinal < 0 || ordinal >= count))
    return bigs_fail(e, BIGS_EFILE, "there is no GPU %d: the NVIDIA driver sees %d", ordinal,
                     count);
  r = r ? r : d->device_get(&out->device, ordinal);
  r = r ? r : d->device_name(out->name, sizeof out->name, out->device);
  return r ? driver_fail(d, r, e, "the GPU does not answer") : 0;
}

int driver_gpu(const CudaDriver *d, int ordinal, CudaGpu *out, BigsError *e) {
  int major = 0, minor = 0, err = find_gpu(d, ordinal, out, e);
  if (err)
    return err;
  CudaResult r = d->device_attribute(&major, CUDA_CAPABILITY_MAJOR, out->device);
  r = r ? r : d->device_attribute(&minor, CUDA_CAPABILITY_MINOR, out->device);
  if (r)
    return driver_fail(d, r, e, "the GPU does not tell what it can do");
  out->capability = major * 10 + minor;
  return major >= 8 ? 0
                    : bigs_fail(e, BIGS_EFILE,
                                "%s has compute capability %d.%d, and 8.0 is needed: a GPU of the "
                                "year 2020 or a later one",
                                out->name, major, minor);
}

const char *driver_text(const CudaDriver *d, CudaResult r, char *buf, size_t size) {
  const char *name = NULL, *text = NULL;
  if (d->error_name(r, &name) || !name)
    snprintf(buf, size, "CUDA error %d", r);
  else if (d->error_text(r, &text) || !text)
    snprintf(buf, size, "%s", name);
  else
    snprintf(buf, size, "%s (%s)", name, text);
  return buf;
}

int driver_fail(const CudaDriver *d, CudaResult r, BigsError *e, const char *what) {
  char text[256];
  return bigs_fail(e, BIGS_EFILE, "%s: %s", what, driver_text(d, r, text, sizeof text));
}

// Faults of kernels and of the machine, after which the driver answers every call alike.
static const short lost_results[] = {
    214, // ECC_UNCORRECTABLE
    220, // NVLINK_UNCORRECTABLE
    226, // CONTAINED
    700, // ILLEGAL_ADDRESS
    702, // LAUNCH_TIMEOUT
    709, // CONTEXT_IS_DESTROYED
    710, // ASSERT
    714, // HARDWARE_STACK_ERROR
    715, // ILLEGAL_INSTRUCTION
    716, // MISALIGNED_ADDRESS
    717, // INVALID_ADDRESS_SPACE
    718, // INVALID_PC
    719, // LAUNCH_FAILED
    721, // TENSOR_MEMORY_LEAK
    911, // EXTERNAL_DEVICE
    999, // UNKNOWN
};

bool driver_is_lost(CudaResult r) {
  for (size_t i = 0; i < sizeof lost_results / sizeof *lost_results; i++)
    if (lost_results[i] == r)
      return true;
  return false;
}
