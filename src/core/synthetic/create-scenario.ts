import { assert } from '../base/assert.ts';
import type { Device } from '../devices/device.ts';
import type { GpuEvent } from '../sampling/event.ts';
import { findField } from '../fields/find-field.ts';
import type { JobRecord } from '../jobs/job-fact.ts';
import { ENERGY_FIELD_ID } from '../fields/well-known.ts';
import { castJobs, makeChips, type Part } from './cast.ts';
import { DEMO_DURATION_US, planDemo } from './demo-plan.ts';
import { eventsOf, faultsByDevice, faultyValue, isAbsent, lastResetUs, mayTouch } from './fault.ts';
import type { DeviceFaults, PlannedEvent } from './fault.ts';
import { makeFleet } from './fleet.ts';
import type { Plan, PlannedJob } from './plan.ts';
import { foldSeed } from './random.ts';
import { createReadings, type Readings } from './reading.ts';
import type { FieldReader, Scenario, ScenarioJob, ScenarioOptions } from './scenario.ts';
import { planSteady } from './steady-plan.ts';
import { tellStory, type JobStory } from './story.ts';
import { buildTimelines, withinCycle } from './timeline.ts';

/** Makes a whole scenario. Every thread makes its own from the same options. */
export function createScenario(options: ScenarioOptions): Scenario {
  const { nodes, gpusPerNode, kind } = options;
  assert(Number.isInteger(nodes) && nodes >= 1, 'a scenario has at least one node');
  assert(Number.isInteger(gpusPerNode) && gpusPerNode >= 1, 'a node has at least one GPU');
  assert(Number.isSafeInteger(options.seed), 'a seed is an integer');
  const seed = foldSeed(options.seed);
  const devices = makeFleet({ ...options, seed });
  const plan = kind === 'demo' ? planDemo(options) : planSteady(devices, seed);
  return scenarioOf(plan, devices, options);
}

/** The scenario in which this plan comes true on these devices. */
export function scenarioOf(plan: Plan, devices: readonly Device[], options: ScenarioOptions): Scenario {
  const seed = foldSeed(options.seed);
  const chips = makeChips(devices, seed);
  const cast = castJobs(plan, chips, seed);
  const readings = createReadings(devices, buildTimelines(plan, cast, devices, chips), seed);
  const faults = faultsByDevice(plan, devices.length);
  const events = eventsOf(plan.faults, (id) => findField(id)?.column ?? String(id));

  const readerOf = (fieldIds: readonly number[]): FieldReader =>
    withFaults(fieldIds, readings, faults, plan.originUs, plan.cycleUs);
  const single = { into: new Float64Array(1), readers: new Map<number, FieldReader>() };
  const value = (device: number, fieldId: number, tsUs: number, overUs: number): number => {
    let reader = single.readers.get(fieldId);
    if (reader === undefined) {
      reader = readerOf([fieldId]);
      single.readers.set(fieldId, reader);
    }
    reader.read(device, tsUs, overUs, single.into);
    return single.into[0]!;
  };
  return {
    options,
    devices,
    startUs: options.startUs,
    endUs: options.kind === 'demo' ? options.startUs + DEMO_DURATION_US : Infinity,
    jobsBetween: (fromUs, toUs) => jobsBetween(plan, fromUs, toUs),
    eventsBetween: (fromUs, toUs) => eventsBetween(plan, events, devices, fromUs, toUs),
    answers: (device, tsUs) => {
      const own = faults[device];
      return own === undefined || !isAbsent(own, withinCycle(plan.cycleUs, tsUs - plan.originUs));
    },
    // Only a fault makes a field blank that the device has, and readings know no faults.
    lacks: (device, fieldId) => {
      readings.readerOf([fieldId]).read(device, -1, 0, plan.originUs, single.into);
      return Number.isNaN(single.into[0]!);
    },
    readerOf,
    value,
    storyOf: (job, fromUs, toUs) => storyOf(plan, cast, job, fromUs, toUs),
  };
}

function storyOf(
  plan: Plan,
  cast: readonly (readonly Part[])[],
  { jobId, run, startUs }: ScenarioJob,
  fromUs: number,
  toUs: number,
): JobStory {
  for (const { number, shiftUs } of cyclesBetween(plan, startUs, startUs + 1)) {
    const id = Number(jobId) - plan.idsPerCycle * number;
    const index = plan.jobs.findIndex((job) => job.id === id && job.run === run);
    if (index < 0) continue;
    const throttles = plan.faults.filter((fault) => fault.kind === 'throttle');
    return tellStory(plan.jobs[index]!, cast[index]!, throttles, fromUs - shiftUs, toUs - shiftUs);
  }
  assert(false, `job ${jobId} is not of this scenario`);
}

/** Sound readings, and upon them what is wrong with the devices. */
function withFaults(
  fieldIds: readonly number[],
  readings: Readings,
  faults: readonly (DeviceFaults | undefined)[],
  originUs: number,
  cycleUs: number,
): FieldReader {
  const sound = readings.readerOf(fieldIds);
  const energyAt = fieldIds.indexOf(ENERGY_FIELD_ID);
  /** By device: positions of the fields that its faults may touch. */
  const touched = faults.map((own) =>
    own === undefined ? [] : [...fieldIds.keys()].filter((at) => mayTouch(own, fieldIds[at]!)),
  );
  return {
    read(device, tsUs, overUs, into) {
      const atUs = tsUs - originUs;
      sound.read(device, atUs - overUs, atUs, tsUs, into);
      const own = faults[device];
      if (own !== undefined) {
        const withinUs = withinCycle(cycleUs, atUs);
        if (energyAt >= 0) {
          const resetUs = lastResetUs(own, withinUs);
          if (!Number.isNaN(resetUs)) into[energyAt]! -= readings.energyJoules(device, resetUs);
        }
        for (const at of touched[device]!) into[at] = faultyValue(own, fieldIds[at]!, withinUs, into[at]!);
      }
      // The counter of the board counts whole millijoules.
      if (energyAt >= 0) into[energyAt] = Math.floor(into[energyAt]! * 1000) / 1000;
    },
  };
}

/** Numbers of the cycles that (fromUs, toUs] touches, and how far each is shifted against the plan. */
function cyclesBetween(plan: Plan, fromUs: number, toUs: number): { number: number; shiftUs: number }[] {
  if (!Number.isFinite(plan.cycleUs)) return [{ number: 0, shiftUs: plan.originUs }];
  const cycles = [];
  const last = Math.ceil((toUs - plan.originUs) / plan.cycleUs) - 1;
  for (let number = Math.floor((fromUs - plan.originUs) / plan.cycleUs); number <= last; number += 1) {
    cycles.push({ number, shiftUs: plan.originUs + number * plan.cycleUs });
  }
  return cycles;
}

function jobsBetween(plan: Plan, fromUs: number, toUs: number): readonly ScenarioJob[] {
  const jobs = cyclesBetween(plan, fromUs, toUs).flatMap(({ number, shiftUs }) =>
    plan.jobs
      .filter((job) => job.startUs + shiftUs < toUs && job.endUs + shiftUs > fromUs)
      .map((job) => jobOf(job, plan.idsPerCycle * number, shiftUs)),
  );
  return jobs.sort((a, b) => a.startUs - b.startUs || Number(a.jobId) - Number(b.jobId));
}

function jobOf(job: PlannedJob, idShift: number, shiftUs: number): ScenarioJob {
  const jobId = String(job.id + idShift);
  const startUs = job.startUs + shiftUs;
  const endUs = job.endUs + shiftUs;
  const array = job.arrayId === undefined ? {} : { arrayJobId: String(job.arrayId + idShift) };
  const record: JobRecord & { endUs: number } = {
    ...job.details,
    ...array,
    jobId,
    run: job.run,
    startUs,
    endUs,
  };
  const devices = job.devices.map(({ device, share }) => ({ device, share }));
  return { jobId, run: job.run, shape: job.shape, record, startUs, endUs, devices };
}

function eventsBetween(
  plan: Plan,
  events: readonly PlannedEvent[],
  devices: readonly Device[],
  fromUs: number,
  toUs: number,
): readonly GpuEvent[] {
  return cyclesBetween(plan, fromUs, toUs).flatMap(({ shiftUs }) =>
    events
      .filter((event) => event.knownUs + shiftUs > fromUs && event.knownUs + shiftUs <= toUs)
      .map(({ device, kind, subject, text, tsUs, endUs, code }): GpuEvent => {
        const { node, uuid } = devices[device]!;
        return {
          tsUs: tsUs + shiftUs,
          node,
          gpu: uuid,
          kind,
          subject,
          text,
          ...(endUs === undefined ? {} : { endUs: endUs + shiftUs }),
          ...(code === undefined ? {} : { code }),
        };
      }),
  );
}
