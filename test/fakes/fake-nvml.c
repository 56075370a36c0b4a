/* A libnvidia-ml that plays a scripted node: MIG, GPM by pairs of samples, field values with their own codes and types,
 * buffered samples, events.
 *
 * Knobs (fakeSet, or GPULEDGER_FAKE="gpus=2,mig=1"); a GPU is named by its index + 1, so that 0 is none:
 *   gpus, architecture, mig (mask of GPUs that are cut), instances (of each), split_gi (GPU instance 1 has two compute
 *   instances), generation (part of the instances' UUIDs), gpm (1 where the GPUs have it), gpm_version_refused
 *   lost_gpu, forbidden_gpu, slow_gpu + slow_us (each call moves the virtual clock on), lose_handles (a driver reload),
 *   fail_all and init_fails (nvmlReturn_t), gpm_forbidden, no_events, wait_fails
 *   unsupported_field, forbidden_field, untouched_field, r545, wide_field + wide_value, unsupported_metric, nan_metric,
 *   infinite_metric, pstate, throttle, ecc
 *   xid (GPU * 1000 + number): queues an event; event_type and event_gi make it another, or one of an instance
 *   processes, and of each from p1_ on: pid, gpu, slot (its number + 1), sm (percent), mib (-1: not told), mps (1 a client, 2 the server), ended
 *   record_bytes, late_processes (started after the count was told), utilization_samples (of each), process_garbage,
 *   utilization_fails, list_fails and mps_fails (nvmlReturn_t)
 * Counts: process_calls, calls, field_calls, metrics_calls, sample_calls, young_pairs, mixed_pairs, early_shutdowns, gpm_takes, gpm_samples, event_sets, events_taken, failed_waits, inits, starts
 *
 * With FAKE_OLD_DRIVER it exports what drivers before R535 did.
 *
 * Nobody has run the code beside a real libnvidia-ml yet. Each behaviour names the line of the notes that it copies, the header [h] or
 * public issues [i]; what nobody has seen says "not seen" (test/fakes/README.md). Values are made up. */
#include "nvml-abi.h"
#include "world.h"
#include <math.h>
#include <pthread.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       TIMEOUT = 10, GPU_IS_LOST = 15, VERSION_MISMATCH = 25, UNKNOWN = 999 };
enum { DOUBLE = 0, UINT = 1, ULL = 3, INT = 5 };
enum { MAX_GPUS = 32, MAX_SLOTS = 8, MAX_EVENTS = 256 };
#define KNOB(name) ({ static Knob *k_; if (k_ == NULL) k_ = knob(name); &k_->value; })

/* A handle is the address of one of these; `start` tells which start of the library it is of. */
typedef struct { int gpu, slot, ci; int64_t start; } Handle;
typedef struct { Handle *of; int gi; int64_t atUs, monotonicUs, generation; } Sample;

/* Every start of the library hands out others, and those of before are stale. */
static Handle gpus[4][MAX_GPUS], migs[4][MAX_GPUS][MAX_SLOTS];
static int initCount;
static int64_t life = 1;
static struct { int64_t gpu, code, type, gi; } queue[MAX_EVENTS];
static int queued, taken;
static int64_t initLife = 1, starts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void defaults(void) { set("gpus", 8); set("gpm", 1); set("architecture", 9); readEnvironment(); }
__attribute__((constructor)) static void start(void) { defaults(); }

void fakeSet(const char *name, int64_t value) {
  if (strcmp(name, "xid") == 0) { /* gpu * 1000 + code */
    pthread_mutex_lock(&lock);
    queue[queued % MAX_EVENTS].gpu = value / 1000; queue[queued % MAX_EVENTS].code = value % 1000; queue[queued % MAX_EVENTS].type = get("event_type") ? get("event_type") : 8;
    queue[queued % MAX_EVENTS].gi = get("event_gi");
    queued += 1;
    pthread_mutex_unlock(&lock);
  }
  if (strcmp(name, "lose_handles") == 0) life += 1; /* a driver reload: every handle is stale until nvmlInit */
  set(name, value);
}
int64_t fakeGet(const char *name) {
  if (strcmp(name, "events_taken") == 0) return taken;
  return strcmp(name, "inits") == 0 ? initCount : get(name);
}
void fakeReset(void) {
  for (int i = 0; i < knobCount; i += 1) knobs[i].value = 0;
  initCount = 0; queued = taken = 0; initLife = life;
  defaults();
}

/* nvml.md 7: codes. That stale handles answer GPU_IS_LOST after a driver reload: not seen: stale-handles. */
static int check(const Handle *h) {
  *KNOB("calls") += 1;
  burnUs(*KNOB("burn_us"));
  if (h->gpu == *KNOB("slow_gpu") - 1) *KNOB("clock_us") += *KNOB("slow_us");
  if (initCount == 0) return UNINITIALIZED;
  if (*KNOB("fail_all")) return (int)*KNOB("fail_all");
  if (initLife != life || h->start != starts) return GPU_IS_LOST;
  if (h->gpu == *KNOB("lost_gpu") - 1) return GPU_IS_LOST;
  return OK;
}
static int isMigOn(int gpu) { return (int)((*KNOB("mig") >> gpu) & 1); }
static int slots(void) { return (int)(*KNOB("instances") ? *KNOB("instances") : 2); }
static int entityNumber(const Handle *h) { return h->slot < 0 ? h->gpu : 100 + h->gpu * 8 + h->slot; }
#define CHECK(h) do { int s_ = check(h); if (s_ != OK) return s_; } while (0)
#define NOT_MIG(h) do { if ((h)->slot >= 0 || isMigOn((h)->gpu)) return NOT_SUPPORTED; } while (0)
#define NOT_INSTANCE(h) do { if ((h)->slot >= 0) return NOT_SUPPORTED; } while (0)

/* ── library and GPUs: nvml.md 2.1 ──────────────────────────────────────────────────────────────────────────────────── */

/* Counts its users. */
int nvmlInit_v2(void) {
  if (get("init_fails")) return (int)get("init_fails");
  if (initCount == 0) { initLife = life; starts += 1; *KNOB("starts") += 1; } /* it counts its users: only the first one starts it */
  initCount += 1;
  return OK;
}
/* Samples and event sets are to be freed before. */
int nvmlShutdown(void) {
  if (initCount == 1 && (get("event_sets") || get("gpm_samples"))) *KNOB("early_shutdowns") += 1; /* what is left is the library's no longer */
  if (initCount > 0) initCount -= 1;
  return OK;
}
const char *nvmlErrorString(int code) { static char text[32]; snprintf(text, sizeof text, "fake code %d", code); return text; }
int nvmlSystemGetDriverVersion(char *out, uint32_t n) { snprintf(out, n, "595.45.04"); return OK; }
int nvmlSystemGetNVMLVersion(char *out, uint32_t n) { snprintf(out, n, "13.595.45.04"); return OK; }
int nvmlDeviceGetCount_v2(uint32_t *n) { if (initCount == 0) return UNINITIALIZED; *n = (uint32_t)get("gpus"); return OK; }
/* NO_PERMISSION of one GPU; GPUs without permission are counted. */
int nvmlDeviceGetHandleByIndex_v2(uint32_t index, Handle **out) {
  if (initCount == 0) return UNINITIALIZED;
  if (index >= (uint32_t)get("gpus")) return INVALID_ARGUMENT;
  if ((int)index == get("forbidden_gpu") - 1) return NO_PERMISSION;
  if ((int)index == get("lost_gpu") - 1) return GPU_IS_LOST;
  gpus[starts & 3][index] = (Handle){ (int)index, -1, 0, starts };
  *out = &gpus[starts & 3][index];
  return OK;
}
/* An instance has a name and a UUID of its own. */
int nvmlDeviceGetName(Handle *h, char *out, uint32_t n) { CHECK(h); snprintf(out, n, h->slot < 0 ? "NVIDIA H200" : get("split_gi") && h->slot == 0 ? "NVIDIA H200 MIG 1c.3g.71gb" : "NVIDIA H200 MIG 3g.71gb"); return OK; }
int nvmlDeviceGetUUID(Handle *h, char *out, uint32_t n) {
  CHECK(h);
  if (h->slot < 0) snprintf(out, n, "GPU-0000000%d-fade-4000-8000-00000000000%d", h->gpu, h->gpu);
  else snprintf(out, n, "MIG-%08d-fade-4000-80%02d-%012d", h->gpu * 8 + h->slot, h->ci, (int)get("generation"));
  return OK;
}
int nvmlDeviceGetPciInfo_v3(Handle *h, nvmlPciInfo_t *out) {
  CHECK(h); NOT_INSTANCE(h);
  memset(out, 0, sizeof *out);
  snprintf(out->busId, sizeof out->busId, "00000000:%02X:00.0", 0x0f + h->gpu * 16);
  return OK;
}
/* Asked of an instance: not seen: getters-of-instances. */
int nvmlDeviceGetMinorNumber(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = (uint32_t)(7 - h->gpu); return OK; }
/* Texts for the inventory [h]; what they say is made up, and the power object is one that this GPU does not have. */
int nvmlDeviceGetBrand(Handle *h, uint32_t *out) { CHECK(h); *out = 14; return OK; }
int nvmlDeviceGetSerial(Handle *h, char *out, uint32_t n) { CHECK(h); NOT_INSTANCE(h); snprintf(out, n, "165042300123%d", h->gpu); return OK; }
int nvmlDeviceGetVbiosVersion(Handle *h, char *out, uint32_t n) { CHECK(h); NOT_INSTANCE(h); snprintf(out, n, "96.00.A5.00.01"); return OK; }
int nvmlDeviceGetInforomImageVersion(Handle *h, char *out, uint32_t n) { CHECK(h); NOT_INSTANCE(h); snprintf(out, n, "G520.0280.00.01"); return OK; }
int nvmlDeviceGetInforomVersion(Handle *h, uint32_t object, char *out, uint32_t n) {
  CHECK(h); NOT_INSTANCE(h);
  if (object > 1) return NOT_SUPPORTED;
  snprintf(out, n, object == 0 ? "2.1" : "7.16");
  return OK;
}
int nvmlDeviceGetArchitecture(Handle *h, uint32_t *out) { CHECK(h); *out = (uint32_t)get("architecture"); return OK; }

/* ── MIG: nvml.md 2.8 ───────────────────────────────────────────────────────────────────────────────────────────────── */
int nvmlDeviceGetMigMode(Handle *h, uint32_t *now, uint32_t *pending) { CHECK(h); if (get("architecture") < 7) return NOT_SUPPORTED; *now = *pending = (uint32_t)isMigOn(h->gpu); return OK; }
int nvmlDeviceGetMaxMigDeviceCount(Handle *h, uint32_t *out) { CHECK(h); *out = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(Handle *h, uint32_t index, Handle **out) {
  CHECK(h);
  int isSecond = get("split_gi") && index == (uint32_t)slots() + 1;
  if (!isMigOn(h->gpu) || index == 0 || (index > (uint32_t)slots() && !isSecond)) return NOT_FOUND; /* holes are normal: here slot 0 */
  int at = (int)index - 1;
  migs[starts & 3][h->gpu][at] = (Handle){ h->gpu, isSecond ? 0 : at, isSecond, starts };
  *out = &migs[starts & 3][h->gpu][at];
  return OK;
}
int nvmlDeviceGetGpuInstanceId(Handle *h, uint32_t *out) { CHECK(h); if (h->slot < 0) return INVALID_ARGUMENT; *out = (uint32_t)h->slot + 1; return OK; }
int nvmlDeviceGetComputeInstanceId(Handle *h, uint32_t *out) { CHECK(h); if (h->slot < 0) return INVALID_ARGUMENT; *out = (uint32_t)h->ci; return OK; }
int nvmlDeviceGetAttributes_v2(Handle *h, nvmlDeviceAttributes_t *out) {
  CHECK(h);
  if (h->slot < 0) return NOT_SUPPORTED;
  memset(out, 0, sizeof *out);
  out->gpuInstanceSliceCount = 3; out->computeInstanceSliceCount = 3; out->memorySizeMB = 71424;
  return OK;
}

/* ── getters: nvml.md 2.2 to 2.4; on MIG nvml.md 2.8, and what an instance refuses: not seen: getters-of-instances ──── */
#define INTEGER(field) ((uint32_t)truthInt(field, entityNumber(h), nowUs()))
#ifndef FAKE_OLD_DRIVER
int nvmlDeviceGetMemoryInfo_v2(Handle *h, nvmlMemory_v2_t *out) {
  CHECK(h);
  if (out->version != nvmlMemory_v2_t_VERSION) return VERSION_MISMATCH;
  out->total = (h->slot < 0 ? 143771ull : 71424ull) << 20; out->reserved = 600ull << 20;
  out->used = (uint64_t)INTEGER(252) << 20; out->free = out->total - out->reserved - out->used;
  return OK;
}
int nvmlDeviceGetMarginTemperature(Handle *h, nvmlMarginTemperature_v1_t *out) {
  CHECK(h); NOT_INSTANCE(h);
  if (out->version != nvmlMarginTemperature_v1_t_VERSION) return VERSION_MISMATCH;
  out->marginTemperature = -2; /* past the slowdown */
  return OK;
}
int nvmlDeviceGetTemperatureV(Handle *h, nvmlTemperature_v1_t *out) {
  CHECK(h); NOT_INSTANCE(h);
  if (out->version != nvmlTemperature_v1_t_VERSION) return VERSION_MISMATCH;
  out->temperature = (int32_t)INTEGER(150) % 90 - 5; /* signed */
  return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(Handle *h, uint64_t *out) { CHECK(h); NOT_INSTANCE(h); *out = (uint64_t)get("throttle"); return OK; }
#else
int nvmlDeviceGetMemoryInfo(Handle *h, nvmlMemory_t *out) {
  CHECK(h);
  out->total = 143771ull << 20; out->used = ((uint64_t)INTEGER(252) << 20) + (600ull << 20); out->free = out->total - out->used;
  return OK;
}
int nvmlDeviceGetTemperature(Handle *h, uint32_t sensor, uint32_t *out) { CHECK(h); if (sensor != 0) return INVALID_ARGUMENT; *out = INTEGER(150) % 90; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(Handle *h, uint64_t *out) { CHECK(h); *out = (uint64_t)get("throttle"); return OK; }
#endif
int nvmlDeviceGetUtilizationRates(Handle *h, nvmlUtilization_t *out) { CHECK(h); NOT_MIG(h); out->gpu = INTEGER(203) % 101; out->memory = INTEGER(204) % 101; return OK; }
int nvmlDeviceGetEncoderUtilization(Handle *h, uint32_t *util, uint32_t *period) { CHECK(h); NOT_MIG(h); *util = INTEGER(206) % 101; *period = 166666; return OK; }
int nvmlDeviceGetDecoderUtilization(Handle *h, uint32_t *util, uint32_t *period) { CHECK(h); NOT_MIG(h); *util = INTEGER(207) % 101; *period = 166666; return OK; }
int nvmlDeviceGetClockInfo(Handle *h, uint32_t type, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = INTEGER(type == 2 ? 101 : type == 3 ? 102 : 100); return OK; }
int nvmlDeviceGetMaxClockInfo(Handle *h, uint32_t type, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = type == 2 ? 3201 : 1980; return OK; }
int nvmlDeviceGetApplicationsClock(Handle *h, uint32_t type, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = type == 2 ? 3200 : 1830; return OK; }
int nvmlDeviceGetPerformanceState(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = (uint32_t)get("pstate"); return OK; }
int nvmlDeviceGetTemperatureThreshold(Handle *h, uint32_t type, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); if (type > 3) return INVALID_ARGUMENT; *out = 95 - 5 * type; return OK; }
int nvmlDeviceGetIndex(Handle *h, uint32_t *out) { CHECK(h); *out = (uint32_t)(h->slot < 0 ? h->gpu : h->slot + 1); return OK; } /* of an instance: its slot */
int nvmlDeviceGetFanSpeed(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 42; return OK; }
int nvmlDeviceGetComputeMode(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 3; return OK; }
int nvmlDeviceGetPersistenceMode(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 1; return OK; }
int nvmlDeviceGetMaxPcieLinkGeneration(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 6; return OK; }
int nvmlDeviceGetMaxPcieLinkWidth(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 32; return OK; }
int nvmlDeviceGetPowerManagementDefaultLimit(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 690000; return OK; }
int nvmlDeviceGetPowerManagementLimitConstraints(Handle *h, uint32_t *least, uint32_t *most) { CHECK(h); NOT_INSTANCE(h); *least = 200000; *most = 710000; return OK; }
int nvmlDeviceGetBAR1MemoryInfo(Handle *h, nvmlBAR1Memory_t *out) { CHECK(h); *out = (nvmlBAR1Memory_t){ 262144ull << 20, 262140ull << 20, 4ull << 20 }; return OK; }
int nvmlDeviceGetMemoryErrorCounter(Handle *h, uint32_t error, uint32_t counter, uint32_t place, uint64_t *out) {
  CHECK(h); NOT_INSTANCE(h);
  if (error > 1 || counter > 1 || place > 7) return INVALID_ARGUMENT;
  *out = 0x100000000ull + error * 100 + counter * 10 + place; /* more than 32 bits */
  return OK;
}
int nvmlDeviceGetPowerUsage(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = (uint32_t)(truthDouble(155, h->gpu, nowUs()) * 1000); return OK; }
int nvmlDeviceGetEnforcedPowerLimit(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 700000; return OK; }
int nvmlDeviceGetPowerManagementLimit(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 650000; return OK; }
int nvmlDeviceGetPcieReplayCounter(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 3; return OK; }
int nvmlDeviceGetCurrPcieLinkGeneration(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 5; return OK; }
int nvmlDeviceGetCurrPcieLinkWidth(Handle *h, uint32_t *out) { CHECK(h); NOT_INSTANCE(h); *out = 16; return OK; }

/* ── field values: nvml.md 2.7; that no instance has one: not seen: getters-of-instances ────────────────────────────── */
int nvmlDeviceGetFieldValues(Handle *h, int32_t n, nvmlFieldValue_t *values) {
  CHECK(h);
  *KNOB("field_calls") += 1;
  for (int32_t i = 0; i < n; i += 1) {
    nvmlFieldValue_t *v = &values[i];
    if ((int64_t)v->fieldId == *KNOB("untouched_field")) continue;
    v->timestamp = nowUs(); v->latencyUsec = 3; v->nvmlReturn = OK; v->valueType = ULL; v->value.ullVal = 0;
    if (h->slot >= 0 || (int64_t)v->fieldId == *KNOB("unsupported_field")) { v->nvmlReturn = NOT_SUPPORTED; continue; }
    if ((int64_t)v->fieldId == *KNOB("forbidden_field")) { v->nvmlReturn = NO_PERMISSION; continue; }
    if ((int64_t)v->fieldId == *KNOB("wide_field")) { v->valueType = (uint32_t)*KNOB("wide_type"); v->value.ullVal = (uint64_t)*KNOB("wide_value"); continue; }
    switch (v->fieldId) {
      case 83: v->value.ullVal = (uint64_t)truthInt(156, h->gpu, nowUs()); break;
      case 185: case 186: v->valueType = UINT; v->value.uiVal = 500000u + 1000u * (uint32_t)h->gpu; break;
      case 82: v->valueType = *KNOB("r545") ? DOUBLE : UINT; v->value.uiVal = 60; break; /* R545 says double, the number is an integer */
      case 3: v->value.ullVal = (uint64_t)*KNOB("ecc"); break;
      case 144: v->valueType = INT; v->value.siVal = 0; break;
      case 201: v->value.ullVal = v->scopeId; break; /* of all links when the scope says so */
      default: v->value.ullVal = v->fieldId;
    }
  }
  return OK;
}

/* nvml.md 2.6; whose clock the stamps are of: not seen: samples-clock. */
int nvmlDeviceGetSamples(Handle *h, uint32_t type, uint64_t lastSeen, uint32_t *valueType, uint32_t *count, nvmlSample_t *out) {
  CHECK(h); NOT_MIG(h);
  *KNOB("sample_calls") += 1;
  if (type > 2) return NOT_SUPPORTED;
  *valueType = UINT;
  if (out == NULL) { *count = 120; return OK; }
  /* A ring of 10 s, one sample each 139 ms, unsorted, with zero stamps and values out of range among them. */
  int64_t now = nowUs();
  uint32_t n = 0;
  for (int k = 71; k >= 0; k -= 1) {
    int64_t at = (now / 139000 - k) * 139000;
    if ((uint64_t)at <= lastSeen) continue;
    int slot = k == 5 ? -1 : 0;
    out[n].timeStamp = slot < 0 ? 0 : (uint64_t)at;
    out[n].sampleValue.uiVal = k == 3 ? 4000000 : type == 0 ? 450000 : (uint32_t)(at / 139000 % 101);
    n += 1;
  }
  if (n > 2) { nvmlSample_t swap = out[0]; out[0] = out[n - 1]; out[n - 1] = swap; }
  *count = n;
  return n == 0 ? NOT_FOUND : OK;
}

/* ── processes: nvml.md 2.5 ─────────────────────────────────────────────────────────────────────────────────────────── */
static int64_t ofProcess(int i, const char *what) { char name[32]; snprintf(name, sizeof name, "p%d_%s", i, what); return get(name); }
static int isProcessOn(const Handle *h, int i) {
  if (ofProcess(i, "gpu") != h->gpu + 1) return 0;
  return h->slot < 0 || ofProcess(i, "slot") == h->slot + 1; /* [h] a GPU that is cut lists those of all its instances */
}
static int listProcesses(Handle *h, uint32_t *count, uint8_t *out, int isMps) {
  CHECK(h);
  *KNOB("process_calls") += 1;
  int64_t fails = get(isMps ? "mps_fails" : "list_fails");
  if (fails) return (int)fails;
  int found[64], n = 0;
  for (int i = 1; i <= get("processes") && n < 64; i += 1) {
    if (!isProcessOn(h, i) || ofProcess(i, "ended")) continue;
    if (isMps && ofProcess(i, "mps") != 1) continue; /* not seen: mps-lists: a client stands in both lists, the server in that of all only */
    found[n++] = i;
  }
  int told = n - (int)get("late_processes");
  if (*count == 0) { *count = (uint32_t)(told > 0 ? told : 0); return n == 0 ? OK : INSUFFICIENT_SIZE; } /* [h] */
  if (*count < (uint32_t)n) { *count = (uint32_t)n; return INSUFFICIENT_SIZE; } /* [h] */
  *count = (uint32_t)n;
  int64_t bytes = get("record_bytes") ? get("record_bytes") : (int64_t)sizeof(nvmlProcessInfo_t); /* [i] 16, 24 or 32 under one name */
  for (int k = 0; k < n; k += 1) {
    nvmlProcessInfo_t p = { (uint32_t)ofProcess(found[k], "pid"), (uint64_t)ofProcess(found[k], "mib") << 20, 0xffffffffu, 0xffffffffu }; /* [h] no instance */
    if (ofProcess(found[k], "mib") < 0) p.usedGpuMemory = UINT64_MAX; /* [h] not available */
    if (h->slot >= 0) { p.gpuInstanceId = (uint32_t)h->slot + 1; p.computeInstanceId = (uint32_t)h->ci; }
    memset(out + k * bytes, 0, (size_t)bytes);
    memcpy(out + k * bytes, &p, bytes < (int64_t)sizeof p ? (size_t)bytes : sizeof p);
  }
  return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Handle *h, uint32_t *count, void *out) { return listProcesses(h, count, out, 0); }
int nvmlDeviceGetMPSComputeRunningProcesses_v3(Handle *h, uint32_t *count, void *out) { return listProcesses(h, count, out, 1); }
int nvmlDeviceGetProcessUtilization(Handle *h, nvmlProcessUtilizationSample_t *out, uint32_t *count, uint64_t lastSeen) {
  CHECK(h); NOT_MIG(h); /* [h] */
  *KNOB("process_calls") += 1;
  if (get("utilization_fails")) return (int)get("utilization_fails");
  nvmlProcessUtilizationSample_t found[128];
  uint32_t n = 0;
  int64_t now = nowUs(), each = get("utilization_samples") ? get("utilization_samples") : 1; /* not seen: process-mean: one of each process, its mean since `lastSeen` */
  for (int i = 1; i <= get("processes"); i += 1) {
    if (!isProcessOn(h, i) || ofProcess(i, "sm") == 0) continue; /* [h] only of those that did something */
    for (int64_t k = 0; k < each && n < 100; k += 1)
      found[n++] = (nvmlProcessUtilizationSample_t){ (uint32_t)ofProcess(i, "pid"), (uint64_t)(now - k * 1000), (uint32_t)ofProcess(i, "sm"), 1, 0, 0 };
  }
  if (get("process_garbage")) { /* [i] old stamps, values beyond 100, no process at all */
    uint32_t pid = (uint32_t)ofProcess(1, "pid");
    found[n++] = (nvmlProcessUtilizationSample_t){ pid, lastSeen, 99, 1, 0, 0 };
    found[n++] = (nvmlProcessUtilizationSample_t){ pid, (uint64_t)now, 4000000, 1, 0, 0 };
    found[n++] = (nvmlProcessUtilizationSample_t){ 0, (uint64_t)now, 50, 1, 0, 0 };
    found[n++] = (nvmlProcessUtilizationSample_t){ 0xfffffff0u, (uint64_t)now, 50, 1, 0, 0 };
  }
  if (n == 0) return NOT_FOUND; /* [i] an idle GPU */
  uint32_t told = n > (uint32_t)get("late_processes") ? n - (uint32_t)get("late_processes") : 0;
  if (out == NULL) { *count = told; return INSUFFICIENT_SIZE; } /* [h] */
  if (*count < n) { *count = n; return INSUFFICIENT_SIZE; } /* [h] */
  memcpy(out, found, n * sizeof *out);
  *count = n;
  return OK;
}

#ifndef FAKE_OLD_DRIVER
/* ── GPM: nvml.md 3 ─────────────────────────────────────────────────────────────────────────────────────────────────── */
int nvmlGpmQueryDeviceSupport(Handle *h, nvmlGpmSupport_t *out) {
  CHECK(h);
  if (out->version != 1 || get("gpm_version_refused")) return VERSION_MISMATCH;
  out->isSupportedDevice = (uint32_t)get("gpm");
  return OK;
}
int nvmlGpmSampleAlloc(Sample **out) { *KNOB("gpm_samples") += 1; *out = calloc(1, sizeof **out); return OK; }
int nvmlGpmSampleFree(Sample *s) { *KNOB("gpm_samples") -= 1; free(s); return OK; }
static int take(Handle *h, int gi, Sample *s) {
  CHECK(h);
  if (get("gpm_forbidden")) return NO_PERMISSION; /* nvml.md 3: seen in containers; when: not seen: gpm-permission */
  *KNOB("gpm_takes") += 1;
  burnUs(*KNOB("burn_gpm_us"));
  *s = (Sample){ h, gi, nowUs(), clockUs(CLOCK_MONOTONIC), get("generation") };
  return OK;
}
int nvmlGpmSampleGet(Handle *h, Sample *s) { return take(h, -1, s); }
int nvmlGpmMigSampleGet(Handle *h, uint32_t gi, Sample *s) { return take(h, (int)gi, s); }
int nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *g) {
  *KNOB("metrics_calls") += 1;
  burnUs(*KNOB("burn_gpm_us"));
  if (g->version != 1) return VERSION_MISMATCH;
  const Sample *from = g->sample1, *to = g->sample2;
  if (from->generation != to->generation) { *KNOB("mixed_pairs") += 1; } /* nvml.md 2.8: numbers of instances are used again */
  if (from->of != to->of || from->gi != to->gi) return INVALID_ARGUMENT;
  int64_t windowUs = to->monotonicUs - from->monotonicUs; /* the wall clock may be set in between */
  int number = to->gi < 0 ? entityNumber(to->of) : 100 + to->of->gpu * 8 + to->gi - 1;
  if (windowUs <= 100000) { *KNOB("young_pairs") += 1; return INVALID_ARGUMENT; } /* [h] more than 100 ms; its answer: not seen: gpm-young-pairs */
  *KNOB("last_window_us") = windowUs;
  for (uint32_t i = 0; i < g->numMetrics; i += 1) {
    nvmlGpmMetric_t *m = &g->metrics[i];
    m->nvmlReturn = OK;
    m->metricInfo.shortName = m->metricInfo.longName = "fake metric";
    m->metricInfo.unit = m->metricId >= 20 ? "MiB/s" : "%";
    if ((int64_t)m->metricId == *KNOB("unsupported_metric")) { m->nvmlReturn = NOT_SUPPORTED; m->value = 0; continue; }
    if ((int64_t)m->metricId == *KNOB("nan_metric")) { m->value = NAN; continue; }
    if ((int64_t)m->metricId == *KNOB("infinite_metric")) { m->value = INFINITY; continue; }
    /* DCGM#88: PCIe of an instance is a number too, and means nothing. */
    m->value = truthDouble((int)m->metricId, number, to->atUs) * 100; /* percent, or MiB/s */
  }
  return OK;
}

#endif
/* ── events: nvml.md 2.4; that a wait ends when the driver is loaded anew: not seen: stale-handles ──────────────────── */
int nvmlEventSetCreate(void **set_) { *set_ = malloc(8); *KNOB("event_sets") += 1; return OK; }
int nvmlEventSetFree(void *set_) { free(set_); *KNOB("event_sets") -= 1; return OK; }
int nvmlDeviceRegisterEvents(Handle *h, uint64_t mask, void *set_) {
  (void)set_;
  CHECK(h);
  if (get("no_events")) return NOT_SUPPORTED;
  set("event_mask", (int64_t)mask);
  return OK;
}
int nvmlDeviceGetSupportedEventTypes(Handle *h, uint64_t *out) { CHECK(h); *out = 0xf10f; return OK; }
int nvmlEventSetWait_v2(void *set_, nvmlEventData_t *data, uint32_t ms) {
  (void)set_;
  for (uint32_t waited = 0;; waited += 5) {
    if (initLife != life || get("wait_fails")) { *KNOB("failed_waits") += 1; return GPU_IS_LOST; }
    pthread_mutex_lock(&lock);
    if (taken < queued) {
      int at = taken++ % MAX_EVENTS;
      pthread_mutex_unlock(&lock);
      memset(data, 0, sizeof *data);
      data->device = &gpus[starts & 3][queue[at].gpu]; data->eventType = (uint64_t)queue[at].type; data->eventData = (uint64_t)queue[at].code;
      data->gpuInstanceId = queue[at].gi ? (uint32_t)queue[at].gi : 0xffffffffu; data->computeInstanceId = 0xffffffffu;
      return OK;
    }
    pthread_mutex_unlock(&lock);
    if (waited >= ms) return TIMEOUT;
    sleepMs(5);
  }
}
