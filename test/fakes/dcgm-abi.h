/* The structs of libdcgm that the fake lays out, written from the member lists of data/dcgm-layouts.json. The generated
 * layout-asserts.h refuses to compile if one of them differs from the table by a byte. */
#ifndef DCGM_ABI_H
#define DCGM_ABI_H
#include <stdint.h>

typedef uintptr_t dcgmHandle_t;
typedef struct { uint32_t entityGroupId, entityId; } dcgmGroupEntityPair_t;
typedef struct {
  uint32_t version;
  uint16_t fieldId, fieldType;
  int32_t status;
  int64_t ts;
  union { int64_t i64; double dbl; char str[256]; char blob[4096]; } value;
} dcgmFieldValue_v1;
typedef struct {
  uint32_t version, entityGroupId, entityId;
  uint16_t fieldId, fieldType;
  int32_t status;
  uint32_t unused;
  int64_t ts;
  union { int64_t i64; double dbl; char str[256]; char blob[4096]; } value;
} dcgmFieldValue_v2;
typedef struct { uint32_t version, persistAfterDisconnect, timeoutMs, addressIsUnixSocket; } dcgmConnectV2Params_v2;
typedef struct {
  uint32_t version, opMode;
  dcgmHandle_t dcgmHandle;
  const char *logFile;
  int32_t severity;
  uint32_t denyListCount;
  const char *serviceAccount;
  uint32_t denyList[10];
} dcgmStartEmbeddedV2Params_v2;
typedef struct {
  uint32_t version;
  char brandName[256], deviceName[256], pciBusId[256], serial[256], uuid[256], vbios[256], inforomImageVersion[256];
  uint32_t pciDeviceId, pciSubSystemId;
  char driverVersion[256];
  uint32_t virtualizationMode;
} dcgmDeviceIdentifiers_v1;
typedef struct { uint32_t version, bar1Total, fbTotal, fbUsed, fbFree; } dcgmDeviceMemoryUsage_v1;
typedef struct {
  uint32_t version;
  char clockSets[3080], thermalSettings[12], powerLimits[24];
  dcgmDeviceIdentifiers_v1 identifiers;
  dcgmDeviceMemoryUsage_v1 memoryUsage;
  uint32_t settings[4];
} dcgmDeviceAttributes_v3;
typedef struct {
  char gpuUuid[128];
  uint32_t nvmlGpuIndex, nvmlInstanceId, nvmlComputeInstanceId, nvmlMigProfileId, nvmlProfileSlices;
} dcgmMigEntityInfo_t;
typedef struct { dcgmGroupEntityPair_t entity, parent; dcgmMigEntityInfo_t info; } dcgmMigHierarchyInfo_v2;
typedef struct { uint32_t version, count; dcgmMigHierarchyInfo_v2 entityList[448]; } dcgmMigHierarchy_v2;
typedef struct { uint32_t version; char rawBuildInfoString[512]; } dcgmVersionInfo_v2;
typedef struct { uint32_t version, count; char groupName[256]; dcgmGroupEntityPair_t entityList[64]; } dcgmGroupInfo_v2;
typedef struct { uint32_t version, count; char groupName[256]; dcgmGroupEntityPair_t entityList[1024]; } dcgmGroupInfo_v3;
typedef struct {
  uint32_t version, numFieldIds;
  uint64_t fieldGroupId;
  char fieldGroupName[256];
  uint16_t fieldIds[128];
} dcgmFieldGroupInfo_v1;
typedef struct { uint32_t version, numFieldGroups; dcgmFieldGroupInfo_v1 fieldGroups[64]; } dcgmAllFieldGroup_v1;
typedef struct { uint32_t version; uint64_t groupId; uint32_t systems; int64_t updateInterval; double maxKeepAge; } dcgmHealthSetParams_v2;
typedef struct { char msg[1024]; uint32_t code; } dcgmDiagErrorDetail_t;
typedef struct { uint32_t system, health; dcgmDiagErrorDetail_t error; dcgmGroupEntityPair_t entityInfo; } dcgmIncidentInfo_t;
typedef struct { uint32_t version, overallHealth, incidentCount; dcgmIncidentInfo_t incidents[64]; } dcgmHealthResponse_v4;
typedef struct { uint32_t version, overallHealth, incidentCount; dcgmIncidentInfo_t incidents[1024]; } dcgmHealthResponse_v5;

#define FAKE_DCGM
#include "layout-asserts.h"
#endif
