/* The structs of libnvidia-ml that the fake lays out; layout-asserts.h compares them with data/nvml-layouts.json. */
#ifndef NVML_ABI_H
#define NVML_ABI_H
#include <stdint.h>

typedef union { double dVal; int32_t siVal; uint32_t uiVal; uint64_t ullVal; int64_t sllVal; uint16_t usVal; } FakeValue;
typedef struct { uint32_t version; uint64_t total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { uint64_t total, free, used; } nvmlMemory_t;
typedef struct { uint32_t gpu, memory; } nvmlUtilization_t;
typedef struct {
  char busIdLegacy[16];
  uint32_t domain, bus, device, pciDeviceId, pciSubSystemId;
  char busId[32];
} nvmlPciInfo_t;
typedef struct {
  uint32_t fieldId, scopeId;
  int64_t timestamp, latencyUsec;
  uint32_t valueType, nvmlReturn;
  FakeValue value;
} nvmlFieldValue_t;
typedef struct { uint64_t timeStamp; FakeValue sampleValue; } nvmlSample_t;
typedef struct {
  uint32_t metricId, nvmlReturn;
  double value;
  struct { char *shortName, *longName, *unit; } metricInfo;
} nvmlGpmMetric_t;
typedef struct { uint32_t version, numMetrics; void *sample1, *sample2; nvmlGpmMetric_t metrics[333]; } nvmlGpmMetricsGet_t;
typedef struct { uint32_t version, isSupportedDevice; } nvmlGpmSupport_t;
typedef struct {
  void *device;
  uint64_t eventType, eventData;
  uint32_t gpuInstanceId, computeInstanceId;
} nvmlEventData_t;
typedef struct { uint32_t version, sensorType; int32_t temperature; } nvmlTemperature_v1_t;
typedef struct {
  uint32_t multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount, sharedEncoderCount, sharedJpegCount, sharedOfaCount,
      gpuInstanceSliceCount, computeInstanceSliceCount;
  uint64_t memorySizeMB;
} nvmlDeviceAttributes_t;
typedef struct { uint32_t pid; uint64_t usedGpuMemory; uint32_t gpuInstanceId, computeInstanceId; } nvmlProcessInfo_t;
typedef struct { uint32_t pid; uint64_t timeStamp; uint32_t smUtil, memUtil, encUtil, decUtil; } nvmlProcessUtilizationSample_t;
typedef struct { uint64_t bar1Total, bar1Free, bar1Used; } nvmlBAR1Memory_t;
typedef struct { uint32_t version; int32_t marginTemperature; } nvmlMarginTemperature_v1_t;

#define FAKE_NVML
#include "layout-asserts.h"
#endif
