/* What both fakes agree on: the clock, the commands, and the truth that the tests compute again in TypeScript. */
#ifndef WORLD_H
#define WORLD_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_KNOBS 192
typedef struct { char name[48]; int64_t value; } Knob;
static Knob knobs[MAX_KNOBS];
static int knobCount;

static Knob *knob(const char *name) {
  for (int i = 0; i < knobCount; i += 1) if (strcmp(knobs[i].name, name) == 0) return &knobs[i];
  if (knobCount == MAX_KNOBS) { fprintf(stderr, "fake: too many knobs\n"); abort(); }
  Knob *fresh = &knobs[knobCount++];
  snprintf(fresh->name, sizeof fresh->name, "%s", name);
  fresh->value = 0;
  return fresh;
}
static int64_t get(const char *name) { return knob(name)->value; }
static void set(const char *name, int64_t value) { knob(name)->value = value; }

/* Epoch microseconds: the real clock, or the virtual one once "clock_us" is set. */
static int64_t clockUs(clockid_t which) {
  static Knob *clock;
  if (clock == NULL) clock = knob("clock_us");
  if (clock->value != 0) return clock->value;
  struct timespec ts;
  clock_gettime(which, &ts);
  return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
static int64_t nowUs(void) { return clockUs(CLOCK_REALTIME); }

static void sleepMs(int64_t ms) {
  struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };
  while (nanosleep(&ts, &ts) != 0) {} /* a signal does not end a call that hangs */
}

static int64_t cpuNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
/* Burns CPU as the real library does; sleeping would cost nobody anything. */
static int64_t burntNs;
static void burnNs(int64_t ns) {
  if (ns <= 0) return;
  int64_t from = cpuNs(), spent;
  do spent = cpuNs() - from;
  while (spent < ns);
  burntNs += spent;
}
static void burnUs(int64_t us) { burnNs(us * 1000); }

/* "gpus=8,mig=2" in GPULEDGER_FAKE: for processes that the test cannot call into. */
static void readEnvironment(void) {
  const char *text = getenv("GPULEDGER_FAKE");
  if (text == NULL) return;
  char copy[1024];
  snprintf(copy, sizeof copy, "%s", text);
  for (char *item = strtok(copy, ","); item != NULL; item = strtok(NULL, ",")) {
    char *equals = strchr(item, '=');
    if (equals != NULL) { *equals = 0; set(item, atoll(equals + 1)); }
  }
}

/* The truth: what any field of any entity is at any microsecond. `entity` is the GPU number, or 100 + instance number. */
static double truthDouble(int field, int entity, int64_t tsUs) {
  if (field == 155) return 500.0 + entity;
  return (double)((field * 7 + entity * 3 + tsUs / 1000) % 1000) / 1000.0;
}
static int64_t truthInt(int field, int entity, int64_t tsUs) {
  if (field == 156) return tsUs / 2 + entity; /* 500 W in mJ */
  if (field == 112 || field == 230) return 0;
  if ((field >= 300 && field < 400)) return 0;
  if (field == 140 || field == 150 || (field >= 203 && field <= 207)) return (field * 11 + entity * 5 + tsUs / 1000) % 101; /* degrees, percent */
  if (field == 236 || field == 238) return (field * 11 + entity * 5 + tsUs / 1000) % 33; /* lanes */
  return (field * 11 + entity * 5 + tsUs / 1000) % 1000;
}

void fakeSet(const char *name, int64_t value);
int64_t fakeGet(const char *name);
#endif
