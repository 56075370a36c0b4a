/* A libdcgm that plays a scripted node: an engine with a cache of series, watches that belong to connections, and the
 * oddities of the real one. Series advance lazily: every call first brings the cache up to the clock. Tests command it
 * by fakeSet / fakeGet; the knobs are listed in test/fakes/README.md, and so is what the marks in the comments mean: each
 * behaviour names the line of the notes that it copies, and what nobody has seen says "not seen". Values are made up. */
#include "dcgm-abi.h"
#include "world.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/file.h>

#define OK 0
#define BADPARAM (-1)
#define GENERIC_ERROR (-3)
#define NOT_CONFIGURED (-5)
#define NOT_SUPPORTED (-6)
#define UNINITIALIZED (-10)
#define TIMEOUT (-11)
#define VER_MISMATCH (-12)
#define UNKNOWN_FIELD (-13)
#define NO_DATA (-14)
#define NOT_WATCHED (-16)
#define FUNCTION_NOT_FOUND (-20)
#define CONNECTION_NOT_VALID (-21)
#define MAX_LIMIT (-24)
#define DUPLICATE_KEY (-26)
#define REQUIRES_ROOT (-29)
#define INSUFFICIENT_SIZE (-31)
#define MODULE_NOT_LOADED (-33)

enum { GPU = 1, GPU_I = 4, GPU_CI = 5 };
enum { MAX_GPUS = 32, SLOTS = 32 + 2 * 256, MAX_FIELD = 2048, MAX_GROUPS = 64, HISTORY = 4096, MAX_WATCHERS = 8 };
#define EMBEDDED 0x7fffffffu
#define MADE_UP (-2)
#define KNOB(name) ({ static Knob *k_; if (k_ == NULL) k_ = knob(name); &k_->value; })

typedef struct { uint64_t owner; int64_t intervalUs; double keepS; } Watcher;
typedef struct {
  uint32_t eg, eid;
  uint16_t field;
  Watcher watchers[MAX_WATCHERS];
  int watcherCount;
  int64_t intervalUs, keepUs, dueUs, frozenTs, gpmIntervalUs;
  int isWatched, isFresh, first, count;
  struct { int64_t ts; int64_t extra; int8_t blank; } *ring; /* blank: -1 a value, 0..3 the kind, MADE_UP a 0 that nobody measured */
} Series;
typedef struct { int used; uint64_t id, owner; char name[256]; uint32_t count; dcgmGroupEntityPair_t list[1024]; } Group;
typedef struct { int used; uint64_t id, owner; char name[256]; uint32_t count; uint16_t ids[128]; } FieldGroup;
typedef struct { uint64_t handle; int alive, isPersistent, isUnix; } Connection;

static Series *table[SLOTS][MAX_FIELD];
static Series *all[SLOTS * 64];
static int seriesCount;
static Group groups[MAX_GROUPS];
static FieldGroup fieldGroups[MAX_GROUPS];
static Connection connections[4096];
static int connectionCount;
static uint64_t nextGroup, nextFieldGroup;
static int isInitialised, isEmbedded;
static int64_t lastExchangeUs;

static void defaults(void) {
  set("gpus", 8); set("engine_alive", 1); set("library_minor", 6); set("engine_minor", 6); set("first_id", 2); set("engine_major", 4);
  set("call_us", 8); set("frozen_from_us", 1600000000000000);
  readEnvironment();
  nextGroup = nextFieldGroup = (uint64_t)get("first_id");
}
__attribute__((constructor)) static void start(void) { defaults(); }

/* ── series ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* dcgm.md 8; 1532 and 1533 are of links, which nothing here reads. */
static int isProf(int field) { return field >= 1001 && field <= 1096; }
/* By the types of data/dcgm-fields.csv. */
static int isDouble(int field) {
  return field == 155 || field == 157 || (field >= 160 && field <= 164) || field == 254 || (field >= 1001 && field <= 1008) ||
         (field >= 1013 && field <= 1034) || (field >= 1612 && field <= 1624) || field == 1650;
}
/* Texts about a GPU and its node, by the types of data/dcgm-fields.csv; what they say is made up. */
static const char *factOf(int field) {
  switch (field) {
  case 1: return "595.45.04";
  case 2: return "13.595.45.04";
  case 3: return isEmbedded ? "node" : "nv-hostengine"; /* dcgm_fields.h of 4.6: the process that the engine is in */
  case 51: return "NVIDIA";
  case 53: return "1650423001234";
  case 56: return "2.1";
  case 80: return "7.16";
  case 81: return "<<<NOT_SUPPORTED>>>"; /* dcgm.md 5: a GPU that has none */
  case 82: return "G520.0280.00.01";
  case 85: return "96.00.A5.00.01";
  default: return NULL;
  }
}
static int isString(int field) { return field == 50 || field == 54 || field == 57 || field == 68 || factOf(field) != NULL; }
/* Fetched by one call at the end of the pass, with NVML's own stamps (dcgm-measured.md 7). */
static int isNvmlStamped(int field) {
  return field == 140 || field == 156 || (field >= 240 && field <= 247) || (field >= 300 && field <= 439) || (field >= 451 && field <= 474);
}
static int isFrozen(int field) { return field == *KNOB("frozen_field") || (*KNOB("frozen_field") < 0 && isNvmlStamped(field)); }
/* What an instance has of its own: entity level GPU_I or GPU_CI in data/dcgm-fields.csv. */
static int isOfInstances(int field) {
  return (field >= 1001 && field <= 1008) || (field >= 1013 && field <= 1016) || (field >= 250 && field <= 254) || field == 90 || field == 92 ||
         field == 93 || field == 230 || field == 68 || field == 54 || field == 50;
}
static int isNvlinkRate(int field) {
  return (field >= 440 && field <= 449) || (field >= 475 && field <= 480) || (field >= 494 && field <= 496) || (field >= 825 && field <= 843) ||
         (field >= 879 && field <= 897);
}
/* 1600 to 1650 are of DCGM 4.7 (drop-in.md 13); 105 is in the table of no version. */
static int isKnown(dcgmHandle_t h, int field) {
  if (field >= 1600) return field <= 1650 && get(h == EMBEDDED ? "library_minor" : "engine_minor") >= 7;
  return field > 0 && field != 105 && field != *KNOB("unknown_field");
}
/* The field of which a base-unit field gives the quantity, and the factor to it (drop-in.md 13); 0: none. That DCGM 4.7 gives the
 * older fields too, and whether NVLink's base-unit fields begin with a made-up 0 as well: not seen: base-units. */
static int classicOf(int field, double *factor) {
  static const int16_t nvlink[] = { 440, 441, 442, 443, 444, 445, 475, 476, 477, 478, 479, 480, 446, 447, 448, 494, 495, 496 };
  static const int16_t clocks[] = { 100, 101, 102, 110, 111, 113, 114, 115 };
  static const int16_t percents[] = { 191, 203, 204, 206, 207 };
  if (field < 1600) return 0;
  if (field < 1603) { *factor = 1048576; return field == 1600 ? 90 : 91 + field - 1600; }
  if (field < 1611) { *factor = 1e6; return clocks[field - 1603]; }
  if (field == 1611) { *factor = 1e-3; return 156; }
  if (field < 1617) { *factor = 1e-2; return percents[field - 1612]; }
  if (field < 1625) { *factor = 1e-9; return 240 + field - 1617; }
  if (field < 1629) { *factor = 1048576; return 250 + field - 1625; }
  if (field == 1629) { *factor = 1e6; return 287; }
  if (field < 1648) { *factor = 1024000; return nvlink[field - 1630]; }
  if (field == 1648) { *factor = 1024000; return 449; }
  *factor = 1048576;
  return field == 1649 ? 525 : 0;
}
/* dcgm.md 6: GPU_I is gpu * 8 + n, and so is GPU_CI here, where each instance has one. */
static int isPresent(uint32_t eg, uint32_t eid) {
  if (eg == GPU) return eid < (uint32_t)*KNOB("gpus");
  if (eg != GPU_I && eg != GPU_CI) return 0;
  return eid / 8 < (uint32_t)*KNOB("gpus") && ((*KNOB("mig") >> (eid / 8)) & 1) && eid % 8 < (uint32_t)(*KNOB("instances") ? *KNOB("instances") : 2);
}
static int entityNumber(uint32_t eg, uint32_t eid) { return eg == GPU ? (int)eid : 100 + (int)eid; }
/* An instance and a compute instance may have one number, and have series of their own. */
static int slotOf(uint32_t eg, uint32_t eid) {
  if (eid >= (eg == GPU ? 32u : 256u)) return SLOTS;
  return eg == GPU ? (int)eid : 32 + (eg == GPU_CI ? 256 : 0) + (int)eid;
}
static Series *find(uint32_t eg, uint32_t eid, uint16_t field) {
  if (slotOf(eg, eid) >= SLOTS || field >= MAX_FIELD) return NULL;
  return table[slotOf(eg, eid)][field];
}
static Series *findOrMake(uint32_t eg, uint32_t eid, uint16_t field) {
  Series *s = find(eg, eid, field);
  if (s != NULL) return s;
  s = calloc(1, sizeof *s);
  s->ring = calloc(HISTORY, sizeof *s->ring);
  s->eg = eg; s->eid = eid; s->field = field;
  table[slotOf(eg, eid)][field] = s;
  all[seriesCount++] = s;
  return s;
}

/* F6: a lost or detached GPU is sampled on, as blanks with fresh stamps. */
static int isLost(const Series *s) { return s->eg == GPU && (int64_t)s->eid == *KNOB("lost_gpu") - 1; }
/* F7's last line: after watchers of 100 ms and 1 s came and went a GPM series stays blank at 1 s. A watcher that watches again
 * keeps its first interval there, and samples older than three of those are thrown away; unwatching forgets it (read in the
 * source of 4.6.0; that this is what was seen: not seen: gpm-age). */
static int64_t gpmAgeUs(const Series *s) { return 2 * s->gpmIntervalUs + (s->gpmIntervalUs < 1000000 ? s->gpmIntervalUs : 1000000); }

/* dcgm.md 5: why there is no value, always with status 0. On instances, of profiling fields: dcgm.md 8. */
static int blankKind(const Series *s) {
  if (isLost(s)) return 0;
  if (s->field == *KNOB("unsupported_field")) return 2;
  if (s->field == *KNOB("forbidden_field")) return 3;
  if (s->eg != GPU && isProf(s->field) && !isOfInstances(s->field)) return 2; /* PCIe and NVLink of an instance are blank */
  if (isProf(s->field) && *KNOB("paused")) return 0;
  if (s->field == *KNOB("blank_field")) return 0;
  return -1;
}

/* dcgm.md 7: the stamps of a series rise; equal ones are moved by 1 us. */
static void append(Series *s, int64_t ts, int blank, int64_t extra) {
  if (s->count > 0) {
    int64_t last = s->ring[(s->first + s->count - 1) % HISTORY].ts;
    if (ts <= last && !isFrozen(s->field)) ts = last + 1;
  }
  if (s->count == HISTORY) { s->first = (s->first + 1) % HISTORY; s->count -= 1; }
  int at = (s->first + s->count++) % HISTORY;
  s->ring[at].ts = ts; s->ring[at].blank = (int8_t)blank; s->ring[at].extra = extra;
}

/* dcgm.md 8, dcgm-measured.md 4: the first profiling record after a watch is blank with status 0. */
static void sampleAt(Series *s, int64_t ts) {
  int blank = blankKind(s);
  if (isProf(s->field) && s->isFresh) blank = 0;
  if (isProf(s->field) && s->count > 0 && ts - s->ring[(s->first + s->count - 1) % HISTORY].ts > gpmAgeUs(s)) blank = 0;
  if (isNvlinkRate(s->field) && s->isFresh && blank < 0) blank = MADE_UP; /* F4; not seen: first-zero-again */
  s->isFresh = 0;
  if (isFrozen(s->field)) { /* F10; dcgm-measured.md 7: 1 us further at each read */
    if (s->frozenTs == 0) s->frozenTs = *KNOB("frozen_from_us");
    append(s, s->frozenTs++, blank, ts);
  } else append(s, ts, blank, 0);
}

/* dcgm.md 6: kept by age alone. */
static void prune(Series *s, int64_t now) {
  while (s->count > 1 && s->ring[s->first].ts < now - s->keepUs && !isFrozen(s->field)) {
    s->first = (s->first + 1) % HISTORY;
    s->count -= 1;
  }
}

static int64_t scattered(int64_t seed, int64_t below) {
  uint64_t x = (uint64_t)seed * 0x9e3779b97f4a7c15u;
  x ^= x >> 31; x *= 0xbf58476d1ce4e5b9u; x ^= x >> 29;
  return below <= 0 ? 0 : (int64_t)(x % (uint64_t)below);
}
/* F9: a pass of a busy engine comes late, for all series that it samples; the next is due from its own time. */
static int64_t latenessUs(int64_t dueUs) {
  int64_t pass = dueUs / 50000;
  return *KNOB("jitter_us") != 0 && scattered(pass, 4) == 0 ? scattered(pass + 7, *KNOB("jitter_us")) : 0;
}

/* The engine's own clockwork (AUTO mode): drifts 0.04 % slow (dcgm-measured.md 1), and stores a sample some time after its
 * stamp (dcgm.md 12). */
static void advance(void) {
  if (!*KNOB("engine_alive") || *KNOB("hung") || (isEmbedded && *KNOB("embedded_mode") == 2)) return;
  int64_t now = nowUs(), visible = now - *KNOB("store_delay_us");
  for (int i = 0; i < seriesCount; i += 1) {
    Series *s = all[i];
    if (!s->isWatched || s->field == 230) continue;
    int64_t stepUs = s->intervalUs + s->intervalUs / 2500 + *KNOB("spread_us") * (s->field % 3);
    if (isFrozen(s->field)) stepUs = 12000; /* old, so due at every pass: about 83 reads a second were seen (dcgm-measured.md 7) */
    if (visible - s->dueUs > s->keepUs) s->dueUs += (visible - s->keepUs - s->dueUs) / stepUs * stepUs;
    for (; s->dueUs <= visible; s->dueUs += stepUs + latenessUs(s->dueUs + stepUs)) sampleAt(s, s->dueUs);
    prune(s, now);
  }
}

/* dcgm.md 7: of all watchers the smallest interval and the longest age; at least 1 s is kept (dcgm.md 6). */
static void settle(Series *s) {
  s->intervalUs = INT64_MAX; s->keepUs = 1000000; s->isWatched = s->watcherCount > 0;
  for (int i = 0; i < s->watcherCount; i += 1) {
    if (s->watchers[i].intervalUs < s->intervalUs) s->intervalUs = s->watchers[i].intervalUs;
    if (s->watchers[i].keepS * 1e6 > s->keepUs) s->keepUs = (int64_t)(s->watchers[i].keepS * 1e6);
  }
}

/* dcgm.md 7: a watcher is a connection, persistent ones are one together (dcgm-measured.md 3). */
static void watch(Series *s, uint64_t owner, int64_t intervalUs, double keepS) {
  int at = 0;
  while (at < s->watcherCount && s->watchers[at].owner != owner) at += 1;
  if (at == MAX_WATCHERS) at = 0;
  if (s->gpmIntervalUs == 0 || intervalUs < s->gpmIntervalUs) s->gpmIntervalUs = intervalUs;
  if (at == s->watcherCount) s->watcherCount += 1;
  int wasWatched = s->isWatched;
  s->watchers[at] = (Watcher){ owner, intervalUs, keepS }; /* a second watch of the same owner replaces the first */
  settle(s);
  if (!wasWatched) {
    s->isFresh = 1;
    s->dueUs = nowUs() + (entityNumber(s->eg, s->eid) % 8) * *KNOB("phase_us") - 1;
    if (isEmbedded && *KNOB("embedded_mode") == 2) s->dueUs = 0;
    else { sampleAt(s, nowUs()); s->dueUs += s->intervalUs; } /* a watch of something new waits for a pass */
  }
}

/* dcgm-measured.md 7: what is cached stays readable, with its old stamps. */
static void unwatch(Series *s, uint64_t owner) {
  for (int i = 0; i < s->watcherCount; i += 1)
    if (s->watchers[i].owner == owner) s->watchers[i--] = s->watchers[--s->watcherCount];
  settle(s);
  s->gpmIntervalUs = s->isWatched ? s->intervalUs : 0;
}

/* dcgm-measured.md 3: groups and watches die with the engine, and the next one counts their numbers from the start. */
static void forgetEverything(void) {
  for (int i = 0; i < seriesCount; i += 1) { all[i]->watcherCount = 0; all[i]->count = 0; all[i]->frozenTs = 0; settle(all[i]); }
  memset(groups, 0, sizeof groups);
  memset(fieldGroups, 0, sizeof fieldGroups);
  nextGroup = nextFieldGroup = (uint64_t)get("first_id");
}

/* ── commands ───────────────────────────────────────────────────────────────────────────────────────────────────── */

void fakeSet(const char *name, int64_t value) {
  if (strcmp(name, "engine_alive") == 0 && value == 0) {
    for (int i = 0; i < connectionCount; i += 1) connections[i].alive = 0;
    forgetEverything();
  }
  if (strcmp(name, "forget") == 0) forgetEverything(); /* the connections stay */
  if (strcmp(name, "hung") == 0 && value == 0)
    for (int i = 0; i < seriesCount; i += 1) if (all[i]->dueUs < nowUs()) all[i]->dueUs = nowUs();
  if (strcmp(name, "hung") == 0 && value != 0) advance();
  if (strcmp(name, "first_id") == 0) nextGroup = nextFieldGroup = (uint64_t)value;
  if (strcmp(name, "xid") == 0) { /* gpu * 1000 + code */
    Series *s = findOrMake(GPU, (uint32_t)(value / 1000), 230);
    append(s, nowUs(), -1, value % 1000);
  }
  if (strcmp(name, "xid_gi") == 0 || strcmp(name, "xid_ci") == 0) { /* entity * 1000 + code; F5: never under the GPU */
    Series *s = findOrMake(name[5] == 'i' && name[4] == 'g' ? GPU_I : GPU_CI, (uint32_t)(value / 1000), 230);
    if (s->isWatched) append(s, nowUs(), -1, value % 1000); /* not seen: unwatched-xid */
  }
  set(name, value);
}
int64_t fakeGet(const char *name) {
  if (strcmp(name, "watched_series") == 0) {
    int64_t n = 0;
    for (int i = 0; i < seriesCount; i += 1) n += all[i]->isWatched;
    return n;
  }
  if (strcmp(name, "groups") == 0) { int64_t n = 0; for (int i = 0; i < MAX_GROUPS; i += 1) n += groups[i].used; return n; }
  if (strncmp(name, "held.", 5) == 0) { /* held.<gpu>.<field>: samples in the cache */
    int gpu = 0, field = 0;
    sscanf(name, "held.%d.%d", &gpu, &field);
    advance();
    Series *s = find(GPU, (uint32_t)gpu, (uint16_t)field);
    return s == NULL ? 0 : s->count;
  }
  if (strncmp(name, "interval.", 9) == 0) {
    int gpu = 0, field = 0;
    sscanf(name, "interval.%d.%d", &gpu, &field);
    Series *s = find(GPU, (uint32_t)gpu, (uint16_t)field);
    return s == NULL || !s->isWatched ? 0 : s->intervalUs;
  }
  return get(name);
}
/* A new world: no series, no connections, every knob at its default. */
void fakeReset(void) {
  for (int i = 0; i < seriesCount; i += 1) { table[slotOf(all[i]->eg, all[i]->eid)][all[i]->field] = NULL; free(all[i]->ring); free(all[i]); }
  seriesCount = 0; connectionCount = 0; isInitialised = 0; isEmbedded = 0; lastExchangeUs = 0;
  memset(connections, 0, sizeof connections);
  memset(groups, 0, sizeof groups);
  memset(fieldGroups, 0, sizeof fieldGroups);
  for (int i = 0; i < knobCount; i += 1) knobs[i].value = 0;
  defaults();
}
/* F7: somebody else's persistent watch shares the identity of every persistent connection, and so does what ends it. */
void fakeForeignWatch(int gpu, int field, int64_t intervalUs, double keepS) {
  watch(findOrMake(GPU, (uint32_t)gpu, (uint16_t)field), 1, intervalUs, keepS);
}
void fakeForeignUnwatch(int gpu, int field) { unwatch(findOrMake(GPU, (uint32_t)gpu, (uint16_t)field), 1); }

/* ── engines in files ───────────────────────────────────────────────────────────────────────────────────────────────
 * With GPULEDGER_FAKE_ENGINES=DIR every address is an engine of its own, told by DIR/<address, / as _>: lines "knob=value",
 * and one line per watch, with the time since when the engine samples, from which any process derives the same samples.
 * Without its file the engine is down, for who is connected too; a file without watches is one that was just started. */

static char engineFile[600];
static const char *engineDirectory(void) { return getenv("GPULEDGER_FAKE_ENGINES"); }

static void beginSampling(Series *s, int64_t sinceUs) {
  s->isFresh = 1;
  s->count = s->first = 0;
  sampleAt(s, sinceUs);
  /* An engine in a file has no other moment at which every process could find it to have happened. */
  if (s->field == 230 && s->eg == GPU && *KNOB("xid") != 0 && s->eid == *KNOB("xid") / 1000)
    append(s, sinceUs + 1, -1, *KNOB("xid") % 1000);
  s->dueUs = sinceUs + s->intervalUs + (entityNumber(s->eg, s->eid) % 8) * *KNOB("phase_us") - 1;
}
/* Takes in the watches of the file; those that are known already stay as they are. */
static void readWatches(FILE *file) {
  char line[4096];
  rewind(file);
  while (fgets(line, sizeof line, file) != NULL) {
    long long sinceUs, intervalUs;
    double keepS;
    int at = 0;
    unsigned eg, eid, field;
    if (sscanf(line, "watch %lld %lld %lf%n", &sinceUs, &intervalUs, &keepS, &at) != 3) continue;
    for (const char *p = line + at; sscanf(p, " %u:%u:%u%n", &eg, &eid, &field, &at) == 3; p += at) {
      Series *s = findOrMake(eg, eid, (uint16_t)field);
      int wasWatched = s->isWatched;
      watch(s, 1, intervalUs, keepS);
      if (!wasWatched) beginSampling(s, sinceUs);
    }
  }
}
static void recordWatch(Group *g, FieldGroup *f, int64_t intervalUs, double keepS) {
  FILE *file = fopen(engineFile, "r+");
  if (file == NULL) return;
  flock(fileno(file), LOCK_EX);
  readWatches(file);
  int64_t sinceUs = nowUs();
  fseek(file, 0, SEEK_END);
  for (uint32_t e = 0; e < g->count; e += 1) {
    int isOpen = 0;
    for (uint32_t i = 0; i < f->count; i += 1) {
      Series *s = findOrMake(g->list[e].entityGroupId, g->list[e].entityId, f->ids[i]);
      int wasWatched = s->isWatched;
      watch(s, 1, intervalUs, keepS);
      if (wasWatched) continue;
      beginSampling(s, sinceUs);
      if (!isOpen) fprintf(file, "watch %lld %lld %g", (long long)sinceUs, (long long)intervalUs, keepS);
      isOpen = 1;
      fprintf(file, " %u:%u:%u", s->eg, s->eid, s->field);
    }
    if (isOpen) fprintf(file, "\n");
  }
  fflush(file);
  fclose(file);
}
/* @returns 0 when there is no engine at that address. */
static int openEngineFile(const char *address) {
  snprintf(engineFile, sizeof engineFile, "%s/", engineDirectory());
  size_t from = strlen(engineFile);
  snprintf(engineFile + from, sizeof engineFile - from, "%s", address);
  for (char *c = engineFile + from; *c != 0; c += 1) if (*c == '/') *c = '_';
  FILE *file = fopen(engineFile, "r");
  if (file == NULL) return 0;
  forgetEverything();
  set("gpus", 8); set("hung", 0); set("hang_ms", 0); set("burn_us", 0); set("burn_record_ns", 0); set("paused", 0);
  set("engine_major", 4); set("serial", 0); set("xid", 0); set("throttle", 0); set("throttle_from_us", 0); set("throttle_to_us", 0);
  char line[4096], name[48];
  long long value;
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "%47[a-z_]=%lld", name, &value) == 2) fakeSet(name, value);
  readWatches(file);
  fclose(file);
  return 1;
}

/* With GPULEDGER_FAKE_CPU=DIR a process leaves there what it spent inside this library, in nanoseconds of CPU: what the
 * client library would burn, and what only the play of the engines cost, which in truth are other machines'. */
static int64_t sampledNs;
__attribute__((destructor)) static void tellCpu(void) {
  const char *directory = getenv("GPULEDGER_FAKE_CPU");
  if (directory == NULL) return;
  char path[600];
  snprintf(path, sizeof path, "%s/%d", directory, (int)getpid());
  FILE *file = fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%lld %lld\n", (long long)burntNs, (long long)sampledNs);
  fclose(file);
}

/* ── connections ────────────────────────────────────────────────────────────────────────────────────────────────── */

static Connection *connectionOf(uint64_t handle) {
  for (int i = connectionCount - 1; i >= 0; i -= 1) if (connections[i].handle == handle) return &connections[i];
  return NULL;
}
static uint64_t ownerOf(uint64_t handle) {
  Connection *c = connectionOf(handle);
  return c != NULL && c->isPersistent ? 1 : handle; /* dcgm-measured.md 3 */
}
/* While the file of GPULEDGER_FAKE_HANG exists every call hangs for "hang_ms": for processes that run already. The file
 * beside it, "….seen", tells that one does. */
static int isToHang(void) {
  static const char *path;
  static int isRead;
  if (!isRead) { path = getenv("GPULEDGER_FAKE_HANG"); isRead = 1; }
  if (path == NULL || access(path, F_OK) != 0) return 0;
  char seen[1024];
  snprintf(seen, sizeof seen, "%s.seen", path);
  FILE *file = fopen(seen, "w");
  if (file != NULL) fclose(file);
  return 1;
}

/* What every request goes through; the small ones may come from a thread of their own, beside a long reply. Codes: dcgm.md 4;
 * a dead engine -21 for ever, a hung one -11 after its time (dcgm-measured.md 6; 60 s there, "hang_ms" here). */
static int admit(uint64_t handle) {
  *KNOB("calls") += 1;
  burnUs(*KNOB("burn_us"));
  if (!isInitialised) return UNINITIALIZED;
  if (isToHang()) { sleepMs(get("hang_ms")); return TIMEOUT; }
  if (handle == EMBEDDED) { if (!isEmbedded) return UNINITIALIZED; }
  else {
    Connection *c = connectionOf(handle);
    if (c != NULL && engineFile[0] != 0 && access(engineFile, F_OK) != 0) c->alive = 0;
    if (c == NULL || !c->alive) return CONNECTION_NOT_VALID;
    if (*KNOB("hung")) { sleepMs(*KNOB("hang_ms")); return TIMEOUT; }
  }
  return OK;
}
static int enter(uint64_t handle) {
  int status = admit(handle);
  if (status == OK) advance();
  return status;
}

/* Every packet of the client acknowledges what it has had so far, so any request ends the wait of a reply; that is
 * TCP, and of DCGM not seen: ack-by-small-request. */
static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sent = PTHREAD_COND_INITIALIZER;
static int64_t smallRequests;
static void sendSmallRequest(void) {
  pthread_mutex_lock(&line);
  smallRequests += 1;
  pthread_cond_broadcast(&sent);
  pthread_mutex_unlock(&line);
}
/* Whether a request came before the client's delayed acknowledgement. */
static int isAcknowledgedBySmallRequest(int64_t withinMs) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += withinMs % 1000 * 1000000;
  until.tv_sec += withinMs / 1000 + until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&line);
  int64_t before = smallRequests;
  int failure = 0;
  while (smallRequests == before && failure == 0) failure = pthread_cond_timedwait(&sent, &line, &until);
  int isAcknowledged = smallRequests != before;
  pthread_mutex_unlock(&line);
  return isAcknowledged;
}
/* dcgm-measured.md 2: a reply over 16 KiB on TCP waits for the delayed ACK when the exchange before was less than 40 ms ago. */
static void reply(uint64_t handle, int64_t bytes) {
  Connection *c = connectionOf(handle);
  if (c == NULL || c->isUnix) return;
  int64_t now = nowUs();
  if (bytes > 16384 && now - lastExchangeUs < 40000) {
    if (!isAcknowledgedBySmallRequest(*KNOB("stall_ms"))) *KNOB("stalls") += 1;
    now = nowUs();
  }
  lastExchangeUs = now;
}

/* dcgm.md 3: initialising again is no error, and shutting down stops the embedded engine. */
int dcgmInit(void) { isInitialised = 1; return OK; }
/* dcgm.md 3. */
int dcgmShutdown(void) { isInitialised = 0; isEmbedded = 0; return OK; }
/* dcgm.md 3: a text of the library's own. */
const char *errorString(int status) { static char text[64]; snprintf(text, sizeof text, "fake status %d", status); return text; }

/* dcgm.md 3, dcgm-measured.md 7: one handle for ever; started again it answers 0 and leaves the handle alone. */
int dcgmStartEmbedded_v2(dcgmStartEmbeddedV2Params_v2 *p) {
  if (!isInitialised) return UNINITIALIZED;
  if (p->version != dcgmStartEmbeddedV2Params_v2_VERSION) return VER_MISMATCH;
  if (isEmbedded) return OK; /* and the handle stays what it was */
  isEmbedded = 1;
  set("embedded_mode", p->opMode);
  p->dcgmHandle = EMBEDDED;
  return OK;
}
/* dcgm.md 3. */
int dcgmStopEmbedded(dcgmHandle_t h) {
  if (h != EMBEDDED) return BADPARAM;
  isEmbedded = 0;
  forgetEverything();
  return OK;
}
/* dcgm.md 3, dcgm-measured.md 6: a handle that is not 0 even on failure; a hung engine takes twice its time and answers 0 with a
 * handle that is dead, and so does one that refuses the login. */
int dcgmConnect_v2(const char *address, dcgmConnectV2Params_v2 *p, dcgmHandle_t *out) {
  if (!isInitialised) return UNINITIALIZED;
  if (p->version != dcgmConnectV2Params_v2_VERSION) return VER_MISMATCH;
  *KNOB("connects") += 1;
  Connection *c = &connections[connectionCount++ % 4096];
  *c = (Connection){ 1000 + (uint64_t)connectionCount, 0, (int)p->persistAfterDisconnect, (int)p->addressIsUnixSocket };
  *out = c->handle; /* not zero even when it failed */
  if (engineDirectory() != NULL) {
    int64_t from = cpuNs();
    int isThere = openEngineFile(address);
    advance();
    sampledNs += cpuNs() - from;
    if (!isThere) return CONNECTION_NOT_VALID;
  }
  if (!*KNOB("engine_alive")) { sleepMs(*KNOB("connect_ms")); return CONNECTION_NOT_VALID; }
  if (*KNOB("hung") || isToHang()) { sleepMs(2 * *KNOB("hang_ms")); return OK; } /* and the handle is dead */
  if (*KNOB("dead_handles") > 0) { *KNOB("dead_handles") -= 1; return OK; }
  c->alive = 1;
  return OK;
}
/* dcgm.md 3: watches and groups go with the connection, unless it is persistent. */
int dcgmDisconnect(dcgmHandle_t h) {
  Connection *c = connectionOf(h);
  if (c == NULL || !c->alive) return OK;
  c->alive = 0;
  if (c->isPersistent) return OK;
  for (int i = 0; i < seriesCount; i += 1) unwatch(all[i], h);
  for (int i = 0; i < MAX_GROUPS; i += 1) {
    if (groups[i].used && groups[i].owner == h) groups[i].used = 0;
    if (fieldGroups[i].used && fieldGroups[i].owner == h) fieldGroups[i].used = 0;
  }
  return OK;
}
/* dcgm.md 2: one text of key:value pairs. */
static int version(dcgmVersionInfo_v2 *info, int64_t major, int64_t minor) {
  if (info->version != dcgmVersionInfo_v2_VERSION) return VER_MISMATCH;
  snprintf(info->rawBuildInfoString, sizeof info->rawBuildInfoString,
           "version:%d.%d.0;arch:x86_64;buildtype:Release;buildid:fake;builddate:2026-07-06", (int)major, (int)minor);
  return OK;
}
/* dcgm.md 3: of the library that is loaded. */
int dcgmVersionInfo(dcgmVersionInfo_v2 *info) { return version(info, 4, get("library_minor")); }
/* dcgm.md 3: of the engine; a small request, and so the cheap one after a connect. */
int dcgmHostengineVersionInfo(dcgmHandle_t h, dcgmVersionInfo_v2 *info) {
  int status = admit(h);
  if (status != OK) return status;
  sendSmallRequest();
  return h == EMBEDDED ? version(info, 4, get("library_minor")) : version(info, get("engine_major"), get("engine_minor"));
}
/* dcgm.md 10: a library newer than the engine gets -20 for newest values and attributes. */
static int isTooNew(uint64_t h) { return h != EMBEDDED && get("library_minor") > get("engine_minor"); }

/* ── inventory ──────────────────────────────────────────────────────────────────────────────────────────────────── */

static void uuidOf(int gpu, char *out) {
  if (get("serial")) sprintf(out, "GPU-%08d-fade-4000-8000-%012d", (int)get("serial"), gpu);
  else sprintf(out, "GPU-0000000%d-fade-4000-8000-00000000000%d", gpu, gpu);
}

/* dcgm.md 3. That a GPU changes its number when an engine is started again: not seen: renumbered. */
int dcgmGetAllSupportedDevices(dcgmHandle_t h, uint32_t ids[32], int *count) {
  int status = enter(h);
  if (status != OK) return status;
  if (get("silent_lists") > 0) { set("silent_lists", get("silent_lists") - 1); return CONNECTION_NOT_VALID; }
  *count = (int)get("gpus");
  for (int i = 0; i < *count; i += 1) ids[i] = (uint32_t)i;
  return OK;
}
/* dcgm.md 3, dcgm-layouts.json. */
int dcgmGetDeviceAttributes(dcgmHandle_t h, uint32_t gpu, dcgmDeviceAttributes_v3 *a) {
  int status = enter(h);
  if (status != OK) return status;
  if (a->version != dcgmDeviceAttributes_v3_VERSION) return VER_MISMATCH;
  if (isTooNew(h)) return FUNCTION_NOT_FOUND;
  if (!isPresent(GPU, gpu)) return BADPARAM;
  memset((char *)a + 4, 0, sizeof *a - 4);
  strcpy(a->identifiers.deviceName, "NVIDIA H200");
  sprintf(a->identifiers.pciBusId, "00000000:%02X:00.0", 0x0f + (int)gpu * 16);
  uuidOf((int)gpu + (int)get("renumbered"), a->identifiers.uuid);
  strcpy(a->identifiers.driverVersion, factOf(1));
  strcpy(a->identifiers.brandName, factOf(51));
  strcpy(a->identifiers.serial, factOf(53));
  strcpy(a->identifiers.inforomImageVersion, factOf(82));
  strcpy(a->identifiers.vbios, factOf(85));
  a->memoryUsage.fbTotal = 143771;
  a->settings[2] = (get("mig") >> gpu) & 1;
  return OK;
}
/* dcgm.md 3: rows of instances and of their compute instances, the latter's number all ones on the former's row. */
int dcgmGetGpuInstanceHierarchy(dcgmHandle_t h, dcgmMigHierarchy_v2 *m) {
  int status = enter(h);
  if (status != OK) return status;
  if (m->version != dcgmMigHierarchy_v2_VERSION) return VER_MISMATCH;
  m->count = 0;
  for (uint32_t gpu = 0; gpu < (uint32_t)get("gpus"); gpu += 1) {
    for (uint32_t n = 0; n < 8; n += 1) {
      uint32_t eid = gpu * 8 + n;
      if (!isPresent(GPU_I, eid)) continue;
      for (int isCompute = 0; isCompute < 2; isCompute += 1) {
        dcgmMigHierarchyInfo_v2 *row = &m->entityList[m->count++];
        memset(row, 0, sizeof *row);
        row->entity = isCompute ? (dcgmGroupEntityPair_t){ GPU_CI, eid } : (dcgmGroupEntityPair_t){ GPU_I, eid };
        row->parent = isCompute ? (dcgmGroupEntityPair_t){ GPU_I, eid } : (dcgmGroupEntityPair_t){ GPU, gpu };
        uuidOf((int)gpu, row->info.gpuUuid);
        row->info.nvmlGpuIndex = gpu;
        row->info.nvmlInstanceId = 1 + n; /* the NVML GPU instance id differs from the entity id */
        row->info.nvmlComputeInstanceId = isCompute ? 0 : 0xffffffffu;
        row->info.nvmlMigProfileId = isCompute ? 32 : 3;
        row->info.nvmlProfileSlices = 3;
      }
    }
  }
  return OK;
}

/* ── groups and watches ─────────────────────────────────────────────────────────────────────────────────────────── */

static Group *groupOf(uint64_t id) { for (int i = 0; i < MAX_GROUPS; i += 1) if (groups[i].used && groups[i].id == id) return &groups[i]; return NULL; }
static FieldGroup *fieldGroupOf(uint64_t id) { for (int i = 0; i < MAX_GROUPS; i += 1) if (fieldGroups[i].used && fieldGroups[i].id == id) return &fieldGroups[i]; return NULL; }

/* dcgm.md 3, dcgm-measured.md 3: names of entity groups need not differ; 64 of them. */
int dcgmGroupCreate(dcgmHandle_t h, int type, const char *name, uintptr_t *out) {
  int status = enter(h);
  if (status != OK) return status;
  if (type != 1) return NOT_SUPPORTED;
  for (int i = 0; i < MAX_GROUPS; i += 1) {
    if (groups[i].used) continue;
    memset(&groups[i], 0, sizeof groups[i]);
    groups[i].used = 1; groups[i].id = nextGroup++; groups[i].owner = ownerOf(h);
    snprintf(groups[i].name, sizeof groups[i].name, "%s", name);
    *out = groups[i].id;
    return OK;
  }
  return MAX_LIMIT;
}
/* dcgm.md 3: one that is in it already, or is not there, is refused. */
int dcgmGroupAddEntity(dcgmHandle_t h, uintptr_t id, uint32_t eg, uint32_t eid) {
  int status = enter(h);
  if (status != OK) return status;
  Group *g = groupOf(id);
  if (g == NULL) return NOT_CONFIGURED;
  if (!isPresent(eg, eid)) return BADPARAM;
  for (uint32_t i = 0; i < g->count; i += 1) if (g->list[i].entityGroupId == eg && g->list[i].entityId == eid) return BADPARAM;
  g->list[g->count++] = (dcgmGroupEntityPair_t){ eg, eid };
  return OK;
}
/* dcgm.md 3: an unknown group is -5. */
int dcgmGroupDestroy(dcgmHandle_t h, uintptr_t id) {
  int status = enter(h);
  if (status != OK) return status;
  Group *g = groupOf(id);
  if (g == NULL) return NOT_CONFIGURED;
  g->used = 0;
  return OK;
}
/* dcgm-measured.md 3: the groups of all connections. */
int dcgmGroupGetAllIds(dcgmHandle_t h, uintptr_t *ids, uint32_t *count) {
  int status = enter(h);
  if (status != OK) return status;
  *count = 0;
  for (int i = 0; i < MAX_GROUPS; i += 1) if (groups[i].used) ids[(*count)++] = groups[i].id;
  return OK;
}
/* dcgm.md 2: DCGM 4 takes version 3 only. */
int dcgmGroupGetInfo(dcgmHandle_t h, uintptr_t id, dcgmGroupInfo_v3 *info) {
  int status = enter(h);
  if (status != OK) return status;
  if (info->version != dcgmGroupInfo_v3_VERSION) return VER_MISMATCH;
  Group *g = groupOf(id);
  if (g == NULL) return NOT_CONFIGURED;
  info->count = g->count;
  memcpy(info->groupName, g->name, sizeof g->name);
  memcpy(info->entityList, g->list, g->count * sizeof g->list[0]);
  return OK;
}
/* dcgm.md 3, dcgm-measured.md 7: one unknown id refuses all of it, names differ, 64 of them. */
int dcgmFieldGroupCreate(dcgmHandle_t h, int n, uint16_t *ids, const char *name, uintptr_t *out) {
  int status = enter(h);
  if (status != OK) return status;
  if (n < 1 || n > 128) return BADPARAM;
  for (int i = 0; i < n; i += 1) if (!isKnown(h, ids[i])) return BADPARAM;
  for (int i = 0; i < MAX_GROUPS; i += 1) if (fieldGroups[i].used && strcmp(fieldGroups[i].name, name) == 0) return DUPLICATE_KEY;
  for (int i = 0; i < MAX_GROUPS; i += 1) {
    if (fieldGroups[i].used) continue;
    memset(&fieldGroups[i], 0, sizeof fieldGroups[i]);
    fieldGroups[i].used = 1; fieldGroups[i].id = nextFieldGroup++; fieldGroups[i].owner = ownerOf(h);
    snprintf(fieldGroups[i].name, sizeof fieldGroups[i].name, "%s", name);
    fieldGroups[i].count = (uint32_t)n;
    memcpy(fieldGroups[i].ids, ids, (size_t)n * sizeof ids[0]);
    *out = fieldGroups[i].id;
    return OK;
  }
  return MAX_LIMIT;
}
/* dcgm-measured.md 3: an unknown one is -14. */
int dcgmFieldGroupDestroy(dcgmHandle_t h, uintptr_t id) {
  int status = enter(h);
  if (status != OK) return status;
  FieldGroup *f = fieldGroupOf(id);
  if (f == NULL) return NO_DATA;
  f->used = 0;
  return OK;
}
/* dcgm-measured.md 3: those of all connections. */
int dcgmFieldGroupGetAll(dcgmHandle_t h, dcgmAllFieldGroup_v1 *a) {
  int status = enter(h);
  if (status != OK) return status;
  if (a->version != dcgmAllFieldGroup_v1_VERSION) return VER_MISMATCH;
  a->numFieldGroups = 0;
  for (int i = 0; i < MAX_GROUPS; i += 1) {
    if (!fieldGroups[i].used) continue;
    dcgmFieldGroupInfo_v1 *info = &a->fieldGroups[a->numFieldGroups++];
    info->numFieldIds = fieldGroups[i].count;
    info->fieldGroupId = fieldGroups[i].id;
    memcpy(info->fieldGroupName, fieldGroups[i].name, 256);
    memcpy(info->fieldIds, fieldGroups[i].ids, sizeof info->fieldIds);
  }
  return OK;
}
/* dcgm.md 3, 7 and 8, dcgm-measured.md 7: -5 and -14 for unknown groups, waits for a first pass, profiling may be refused as a whole. */
int dcgmWatchFields(dcgmHandle_t h, uintptr_t group, uintptr_t fieldGroup, int64_t updateUs, double keepS, int keepSamples) {
  (void)keepSamples;
  int status = enter(h);
  if (status != OK) return status;
  *KNOB("watches") += 1;
  Group *g = groupOf(group);
  FieldGroup *f = fieldGroupOf(fieldGroup);
  if (g == NULL) return NOT_CONFIGURED;
  if (f == NULL) return NO_DATA;
  for (uint32_t i = 0; i < f->count; i += 1) {
    if (!isProf(f->ids[i])) continue;
    if (get("prof_needs_root")) return REQUIRES_ROOT;
    if (get("prof_module_missing")) return MODULE_NOT_LOADED;
  }
  uint64_t owner = h == EMBEDDED ? EMBEDDED : ownerOf(h);
  if (engineDirectory() != NULL && owner == 1 && updateUs < 3600000000) recordWatch(g, f, updateUs, keepS);
  for (uint32_t e = 0; e < g->count; e += 1)
    for (uint32_t i = 0; i < f->count; i += 1)
      watch(findOrMake(g->list[e].entityGroupId, g->list[e].entityId, f->ids[i]), owner, updateUs, keepS);
  if (isEmbedded && get("embedded_mode") == 2) return OK;
  advance();
  return OK;
}
/* dcgm-measured.md 3 and 7: twice is no error, and one that is not the watcher ends nothing. */
int dcgmUnwatchFields(dcgmHandle_t h, uintptr_t group, uintptr_t fieldGroup) {
  int status = enter(h);
  if (status != OK) return status;
  Group *g = groupOf(group);
  FieldGroup *f = fieldGroupOf(fieldGroup);
  if (g == NULL || f == NULL) return NOT_CONFIGURED;
  for (uint32_t e = 0; e < g->count; e += 1)
    for (uint32_t i = 0; i < f->count; i += 1) {
      Series *s = find(g->list[e].entityGroupId, g->list[e].entityId, f->ids[i]);
      if (s != NULL) unwatch(s, h == EMBEDDED ? EMBEDDED : ownerOf(h));
    }
  return OK;
}
/* A watch that became faster waits for the time at which it was due before, unless a pass is asked for (dcgm.md 7). */
static void hastenDue(void) {
  for (int i = 0; i < seriesCount; i += 1) {
    Series *s = all[i];
    if (!s->isWatched || s->count == 0) continue;
    int64_t due = s->ring[(s->first + s->count - 1) % HISTORY].ts + s->intervalUs;
    if (due < nowUs() - *KNOB("store_delay_us")) due = nowUs() - *KNOB("store_delay_us");
    if (due < s->dueUs) s->dueUs = due;
  }
}
/* dcgm.md 7: in MANUAL mode a pass over what is due. */
int dcgmUpdateAllFields(dcgmHandle_t h, int wait) {
  (void)wait;
  int status = enter(h);
  if (status != OK) return status;
  burnUs(*KNOB("burn_update_us"));
  if (h != EMBEDDED || *KNOB("embedded_mode") != 2) {
    hastenDue();
    advance();
    return OK;
  }
  /* F8: what is due is judged by the time at which the pass begins; a series is stamped, and due again, from when the pass
   * comes to it, and what NVML stamps comes last, all of it by one call at the end. */
  int64_t began = nowUs(), at = began, stallUs = scattered(began / 1000, *KNOB("busy_us"));
  for (int isLate = 0; isLate < 2; isLate += 1) {
    at += isLate ? stallUs : 0;
    for (int i = 0; i < seriesCount; i += 1) {
      Series *s = all[i];
      if (isNvmlStamped(s->field) != isLate || !s->isWatched || s->field == 230 || began < s->dueUs) continue;
      at += isLate ? 0 : *KNOB("call_us");
      sampleAt(s, at);
      /* F10: a frozen stamp is old at every pass */
      s->dueUs = isFrozen(s->field) ? began : at + s->intervalUs;
      prune(s, at);
    }
  }
  return OK;
}

/* ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* dcgm.md 5. */
static void blankInto(void *value, int field, int kind) {
  static const char *names[] = { "<<<NULL>>>", "<<<NOT_FOUND>>>", "<<<NOT_SUPPORTED>>>", "<<<NOT_PERM>>>" };
  if (isString(field)) strcpy(value, names[kind]);
  else if (isDouble(field)) *(double *)value = 140737488355328.0 + kind;
  else *(int64_t *)value = 0x7ffffffffffffff0 + kind;
}
/* NVIDIA/DCGM#303: no SM active beside a GPU that is busy all the time and draws 600 W. */
static int isContradictory(const Series *s) { return s->eg == GPU && (int64_t)s->eid == *KNOB("contradictory_gpu") - 1; }
static void valueInto(void *value, const Series *s, int at) {
  /* F1: what only the GPU has, an instance answers with its parent's value. */
  int number = s->eg == GPU || isOfInstances(s->field) ? entityNumber(s->eg, s->eid) : (int)s->eid / 8;
  int64_t ts = isFrozen(s->field) ? s->ring[at].extra : s->ring[at].ts;
  if (s->ring[at].blank >= 0) { blankInto(value, s->field, s->ring[at].blank); return; }
  if (s->ring[at].blank == MADE_UP) { *(int64_t *)value = 0; return; }
  if (s->field == 230) { *(int64_t *)value = s->ring[at].extra; return; }
  if (isContradictory(s) && (s->field == 1002 || s->field == 155)) { *(double *)value = s->field == 155 ? 600 : 0; return; }
  if (isContradictory(s) && s->field == 203) { *(int64_t *)value = 100; return; }
  double factor;
  int classic = classicOf(s->field, &factor);
  if (classic != 0) {
    double quantity = (double)truthInt(classic, number, ts) * factor;
    if (isDouble(s->field)) *(double *)value = quantity;
    else *(int64_t *)value = (int64_t)quantity;
    return;
  }
  if (isString(s->field)) {
    if (s->field == 68 && s->eg != GPU) sprintf(value, "MIG-%08d-fade-4000-8000-000000000000", (int)s->eid);
    else if (s->field == 50) strcpy(value, "NVIDIA H200");
    else if (factOf(s->field) != NULL) strcpy(value, factOf(s->field));
    else uuidOf((int)s->eid + (int)*KNOB("renumbered"), value);
  } else if (isDouble(s->field)) *(double *)value = s->field == *KNOB("infinite_field") ? INFINITY : truthDouble(s->field, number, ts);
  else if (s->field == 55) *(int64_t *)value = 7 - (int64_t)s->eid; /* minor numbers need not follow the index */
  else if (s->field == 52) *(int64_t *)value = s->eid;
  /* not seen: of-the-node. drop-in.md 2: exporters in the field print them on each GPU. */
  else if (s->field == 4) *(int64_t *)value = *KNOB("gpus");
  else if (s->field == 5) *(int64_t *)value = 13000;
  else if (s->field == 526) *(int64_t *)value = 0;
  else if (s->field == *KNOB("infinite_field")) *(int64_t *)value = INT64_MIN; /* F3: GPM's infinity, cast */
  else if (s->field == 250) *(int64_t *)value = s->eg == GPU ? 143771 : 71424;
  else if (s->field == 112 && *KNOB("throttle") && ts >= *KNOB("throttle_from_us") && (*KNOB("throttle_to_us") == 0 || ts < *KNOB("throttle_to_us")))
    *(int64_t *)value = *KNOB("throttle");
  else if (s->field == *KNOB("step_field")) *(int64_t *)value = *KNOB("step_value");
  else *(int64_t *)value = truthInt(s->field, number, ts);
}
/* dcgm.md 5. */
static uint16_t typeOf(int field) { return isString(field) ? 's' : isDouble(field) ? 'd' : 'i'; }

/* dcgm.md 3 and 12, dcgm-measured.md 7: an unknown id is -3 for the whole call and leaves the buffer alone, a series that was never
 * watched -16 with stamp 0, and LIVE with a profiling field kills the process. */
int dcgmEntitiesGetLatestValues(dcgmHandle_t h, dcgmGroupEntityPair_t *pairs, uint32_t entityCount, uint16_t *fields, uint32_t fieldCount,
                                uint32_t flags, dcgmFieldValue_v2 *out) {
  int status = enter(h);
  if (status != OK) return status;
  *KNOB("latest_calls") += 1;
  burnUs(*KNOB("burn_latest_us"));
  if (isTooNew(h)) return FUNCTION_NOT_FOUND;
  for (uint32_t i = 0; i < fieldCount; i += 1) {
    if (!isKnown(h, fields[i])) return GENERIC_ERROR; /* and the buffer keeps what it held */
    if ((flags & 1) && isProf(fields[i])) { fprintf(stderr, "fake libdcgm: LIVE read of a profiling field\n"); abort(); }
  }
  reply(h, (int64_t)entityCount * fieldCount * 68);
  dcgmFieldValue_v2 *r = out;
  for (uint32_t e = 0; e < entityCount; e += 1) {
    for (uint32_t i = 0; i < fieldCount; i += 1, r += 1) {
      Series *s = find(pairs[e].entityGroupId, pairs[e].entityId, fields[i]);
      Series live = { .eg = pairs[e].entityGroupId, .eid = pairs[e].entityId, .field = fields[i] };
      r->version = dcgmFieldValue_v2_VERSION;
      r->entityGroupId = pairs[e].entityGroupId; r->entityId = pairs[e].entityId;
      r->fieldId = fields[i]; r->fieldType = typeOf(fields[i]);
      if ((flags & 1) && isPresent(live.eg, live.eid)) {
        typeof(*live.ring) sample = { nowUs(), 0, (int8_t)(fields[i] == 68 || fields[i] == 50 || fields[i] == 54 ? -1 : blankKind(&live)) };
        live.ring = (void *)&sample;
        r->status = OK; r->ts = sample.ts;
        valueInto(&r->value, &live, 0);
      } else if (s == NULL || s->count == 0) {
        r->status = s == NULL || !s->isWatched ? NOT_WATCHED : NO_DATA;
        r->ts = 0;
        blankInto(&r->value, fields[i], 0);
      } else {
        int at = (s->first + s->count - 1) % HISTORY;
        r->status = OK; r->ts = s->ring[at].ts;
        valueInto(&r->value, s, at);
      }
    }
  }
  return OK;
}

typedef int (*EntityCallback)(uint32_t eg, uint32_t eid, dcgmFieldValue_v1 *values, int n, void *user);

/* dcgm.md 3 and 12: one value a callback; a callback that is not 0 ends it with 0; one series without data calls back with -14; the
 * first that was never watched ends the call. */
int dcgmGetValuesSince_v2(dcgmHandle_t h, uintptr_t group, uintptr_t fieldGroup, int64_t since, int64_t *next, EntityCallback callback, void *user) {
  int status = enter(h);
  if (status != OK) return status;
  *KNOB("since_calls") += 1;
  Group *g = groupOf(group);
  FieldGroup *f = fieldGroupOf(fieldGroup);
  if (g == NULL) return NOT_CONFIGURED;
  if (f == NULL) return NO_DATA;
  static dcgmFieldValue_v1 record;
  for (uint32_t e = 0; e < g->count; e += 1) {
    for (uint32_t i = 0; i < f->count; i += 1) {
      Series *s = find(g->list[e].entityGroupId, g->list[e].entityId, f->ids[i]);
      if (s == NULL) return NOT_WATCHED; /* one bad series ends the call midway, nextUs stays */
      *KNOB("since_series") += 1; /* dcgm.md 3: a round trip each */
      record.version = dcgmFieldValue_v1_VERSION;
      record.fieldId = f->ids[i]; record.fieldType = typeOf(f->ids[i]);
      int64_t sent = 0;
      for (int k = 0; k < s->count; k += 1) {
        int at = (s->first + k) % HISTORY;
        if (s->ring[at].ts < since) continue;
        record.status = OK; record.ts = s->ring[at].ts;
        valueInto(&record.value, s, at);
        sent += 1;
        if (callback(s->eg, s->eid, &record, 1, user) != 0) return OK; /* stopped; nextUs is not advanced */
      }
      if (sent == 0) {
        record.status = NO_DATA; record.ts = 0;
        blankInto(&record.value, f->ids[i], 0);
        callback(s->eg, s->eid, &record, 1, user);
      }
      burnNs(*KNOB("burn_series_us") * 1000 + (sent + 1) * *KNOB("burn_record_ns"));
      reply(h, sent * 30);
    }
  }
  *next = nowUs() + 1;
  return OK;
}
/* dcgm-measured.md 3: from `startUs` on, that included; nothing in range is one record of -14. */
int dcgmGetMultipleValuesForField(dcgmHandle_t h, int gpu, uint16_t field, int *count, int64_t startUs, int64_t endUs, int order, dcgmFieldValue_v1 *out) {
  int status = enter(h);
  if (status != OK) return status;
  *KNOB("multiple_calls") += 1;
  if (!isKnown(h, field)) return UNKNOWN_FIELD;
  Series *s = find(GPU, (uint32_t)gpu, field);
  if (s == NULL) return NOT_WATCHED;
  int n = 0;
  for (int k = 0; k < s->count && n < *count && order == 1; k += 1) {
    int at = (s->first + k) % HISTORY;
    if (s->ring[at].ts < startUs || (endUs != 0 && s->ring[at].ts > endUs)) continue;
    out[n].version = dcgmFieldValue_v1_VERSION; out[n].fieldId = field; out[n].fieldType = typeOf(field);
    out[n].status = OK; out[n].ts = s->ring[at].ts;
    valueInto(&out[n].value, s, at);
    n += 1;
  }
  reply(h, (int64_t)n * 31);
  if (n == 0) { n = 1; out[0].status = NO_DATA; out[0].ts = 0; blankInto(&out[0].value, field, 0); }
  *count = n;
  return OK;
}

/* ── profiling: F2, health ──────────────────────────────────────────────────────────────────────────────────────── */

/* F2: without the closed profiling module ("prof_module") there is nothing to pause. (Resuming then: not seen: resume-refused.) */
static int pauseProfiling(dcgmHandle_t h, int isPause) {
  int status = enter(h);
  if (isPause) *KNOB("pause_calls") += 1;
  if (status != OK) return status;
  if (*KNOB("pause_fails")) return (int)*KNOB("pause_fails");
  if (!*KNOB("prof_module")) return NOT_SUPPORTED;
  set("paused", isPause);
  return OK;
}
int dcgmProfPause(dcgmHandle_t h) { return pauseProfiling(h, 1); }
int dcgmProfResume(dcgmHandle_t h) { return pauseProfiling(h, 0); }

/* dcgm.md 3: needs the health module. */
int dcgmHealthSet_v2(dcgmHandle_t h, dcgmHealthSetParams_v2 *p) {
  int status = enter(h);
  if (status != OK) return status;
  if (p->version != dcgmHealthSetParams_v2_VERSION) return VER_MISMATCH;
  if (get("no_health_module")) return MODULE_NOT_LOADED;
  return groupOf(p->groupId) == NULL ? NOT_CONFIGURED : OK;
}
/* dcgm.md 3, dcgm-layouts.json; what an incident looks like on a real GPU: not seen: health-incident. */
int dcgmHealthCheck(dcgmHandle_t h, uintptr_t group, dcgmHealthResponse_v5 *r) {
  int status = enter(h);
  if (status != OK) return status;
  if (r->version != dcgmHealthResponse_v5_VERSION) return VER_MISMATCH;
  if (groupOf(group) == NULL) return NOT_CONFIGURED;
  int64_t code = get("incident"); /* an error code on GPU 3's memory, 0 none */
  r->overallHealth = code ? 20 : 0;
  r->incidentCount = code ? 1 : 0;
  if (code) {
    dcgmIncidentInfo_t *in = &r->incidents[0];
    memset(in, 0, sizeof *in);
    in->system = 16; in->health = 20;
    snprintf(in->error.msg, sizeof in->error.msg, "GPU 3 has uncontained memory errors");
    in->error.code = (uint32_t)code;
    in->entityInfo = (dcgmGroupEntityPair_t){ GPU, 3 };
  }
  return OK;
}
