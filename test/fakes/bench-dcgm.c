/* The yardstick of the benches of libdcgm: a C program that makes the same calls as our embedded route and decodes the same
 * values, or polls a host engine. Prints the CPU microseconds of a tick. What polling burns, GPULEDGER_FAKE says.
 *   bench-dcgm LIBRARY TICKS READ_BURN_US UPDATE_BURN_US
 *   bench-dcgm LIBRARY TICKS poll */
#include "dcgm-abi.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const uint16_t FIELDS[] = { 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 155, 156,
                                   157, 100, 101, 102, 150, 140, 190, 203, 204, 206, 207, 250, 251, 252, 253, 254,
                                   160, 164, 202, 235, 236, 237, 238, 240, 241, 243 };
enum { GPUS = 8, COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static double cpuUs(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
  int isPolling = argc == 4 && strcmp(argv[3], "poll") == 0;
  if (argc != 5 && !isPolling) return 64;
  void *library = dlopen(argv[1], RTLD_LAZY | RTLD_GLOBAL);
  if (library == NULL) { fprintf(stderr, "%s\n", dlerror()); return 69; }
#define FN(result, name, ...) result (*name)(__VA_ARGS__) = (result (*)(__VA_ARGS__))dlsym(library, #name)
  FN(int, dcgmInit, void);
  FN(int, dcgmStartEmbedded_v2, dcgmStartEmbeddedV2Params_v2 *);
  FN(int, dcgmConnect_v2, const char *, dcgmConnectV2Params_v2 *, dcgmHandle_t *);
  FN(int, dcgmGroupCreate, dcgmHandle_t, int, const char *, uintptr_t *);
  FN(int, dcgmGroupAddEntity, dcgmHandle_t, uintptr_t, uint32_t, uint32_t);
  FN(int, dcgmFieldGroupCreate, dcgmHandle_t, int, const uint16_t *, const char *, uintptr_t *);
  FN(int, dcgmWatchFields, dcgmHandle_t, uintptr_t, uintptr_t, int64_t, double, int);
  FN(int, dcgmUpdateAllFields, dcgmHandle_t, int);
  FN(int, dcgmEntitiesGetLatestValues, dcgmHandle_t, dcgmGroupEntityPair_t *, uint32_t, const uint16_t *, uint32_t, uint32_t, dcgmFieldValue_v2 *);
  FN(void, fakeSet, const char *, int64_t);
  int64_t clock = 1800000000000000;
  fakeSet("clock_us", clock);
  dcgmInit();
  dcgmStartEmbeddedV2Params_v2 params = { .version = dcgmStartEmbeddedV2Params_v2_VERSION, .opMode = 2, .severity = -1 };
  dcgmConnectV2Params_v2 engine = { .version = dcgmConnectV2Params_v2_VERSION, .addressIsUnixSocket = 1 };
  if (isPolling) dcgmConnect_v2("/run/engine", &engine, &params.dcgmHandle);
  else dcgmStartEmbedded_v2(&params);
  uintptr_t group, fieldGroup;
  dcgmGroupCreate(params.dcgmHandle, 1, "bench", &group);
  dcgmGroupEntityPair_t pairs[GPUS];
  for (uint32_t gpu = 0; gpu < GPUS; gpu += 1) {
    dcgmGroupAddEntity(params.dcgmHandle, group, 1, gpu);
    pairs[gpu] = (dcgmGroupEntityPair_t){ 1, gpu };
  }
  dcgmFieldGroupCreate(params.dcgmHandle, COUNT, FIELDS, "bench", &fieldGroup);
  dcgmWatchFields(params.dcgmHandle, group, fieldGroup, isPolling ? 100000 : 90000, 30, 0);
  if (!isPolling) {
    fakeSet("burn_us", atoll(argv[3]));
    fakeSet("burn_update_us", atoll(argv[4]));
  }
  dcgmFieldValue_v2 *values = malloc(sizeof *values * GPUS * COUNT);
  static double column[GPUS * COUNT];
  long ticks = atol(argv[2]);
  double from = 0;
  for (long tick = -200; tick < ticks; tick += 1) {
    if (tick == 0) from = cpuUs();
    clock += 100000;
    fakeSet("clock_us", clock);
    if (!isPolling) dcgmUpdateAllFields(params.dcgmHandle, 1);
    dcgmEntitiesGetLatestValues(params.dcgmHandle, pairs, GPUS, FIELDS, COUNT, 0, values);
    for (int i = 0; i < GPUS * COUNT; i += 1) {
      const dcgmFieldValue_v2 *v = &values[i];
      int isBlank = v->status != 0 || (v->fieldType == 'd' ? v->value.dbl >= 140737488355328.0 : v->value.i64 >= 0x7ffffffffffffff0);
      column[i] = isBlank ? __builtin_nan("") : v->fieldType == 'd' ? v->value.dbl : (double)v->value.i64;
    }
    __asm__ volatile("" : : "r"(column) : "memory");
  }
  printf("%.3f\n", (cpuUs() - from) / (double)ticks);
  return 0;
}
