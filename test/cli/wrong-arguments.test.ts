/**
 * Goal: whatever a person types, the answer is a sentence that says what was expected, what came and what to do, and a code
 * that docs/exit-codes.md has. Method: the command lines of `COMMANDS`, and every flag and variable with what it cannot be.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ALL_SETTINGS } from '../../src/config/settings.ts';
import { expectRefusal, runLine, SECRET } from '../helpers/command-line.ts';

vi.mock('../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-wrong-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const LONG = 'x'.repeat(5000);
const SYNTHETIC = ['--source', 'synthetic', '--state-dir', '/proc/nonexistent/x'];

/** What is typed, with which code it ends, and what is in the message: of what was wrong, and of what is expected. */
type Row = readonly [line: readonly string[], exitCode: number, ...said: string[]];

const COMMANDS: readonly Row[] = [
  [['nope'], 64, 'no command "nope"', 'gpuledger --help'],
  [[''], 64, 'no command ""', 'gpuledger --help'],
  [['--nope'], 64, 'no command "--nope"', '--help'],
  [['statsu'], 64, 'did you mean: gpuledger status'],
  [['constructor'], 64, 'no command "constructor"'],
  [['a\u001b[31m'], 64, 'no command "a␛[31m"'],
  [['\u202eevil'], 64, 'no command "<U+202E>evil"'],

  [['report'], 64, 'expected one of these commands after "gpuledger report"'],
  [['report', 'nope'], 64, "unknown command 'nope'", 'expected: gpuledger report job|jobs|capacity'],
  [
    ['report', 'job'],
    64,
    "missing required argument 'id'",
    'expected: gpuledger report job [options] <id...>',
  ],
  [['report', 'job', ''], 64, 'expected a job id', 'came nothing'],
  [['report', 'job', ' '], 64, 'expected a job id', 'came nothing'],
  [['report', 'job', '4217_['], 64, 'closing bracket', 'came "4217_["'],
  [['report', 'job', '4217_[1-4'], 64, 'closing bracket', 'came "4217_[1-4"'],
  [['report', 'job', '123['], 64, 'closing bracket', 'came "123["'],
  [['report', 'job', LONG], 64, 'expected a job id', '5000 characters'],
  [['report', 'job', 'a\nb'], 64, 'control character', 'gpuledger report job 4217'],
  [['report', 'job', 'a\u001b[2J'], 64, 'control character'],
  [['report', 'job', '1', '--run', '-1'], 64, '--run', 'whole number from 0'],
  [['report', 'job', '1', '--run', 'x'], 64, '--run', 'whole number from 0'],
  [['report', 'job', '1', '--run', '1.5'], 64, '--run', 'whole number from 0'],
  [['report', 'job', '1', '--run', ''], 64, '--run', 'whole number from 0'],
  [['report', 'job', '1', '--run', '99999999999'], 64, '--run', 'whole number from 0'],
  [['report', 'job', '1', '--run'], 64, '--run', 'argument missing'],
  [['report', 'job', '1', '--submitted', '2026-02-30'], 64, '--submitted', 'came "2026-02-30"'],
  [['report', 'job', '1', '--submitted', '2026-02-29'], 64, '--submitted', 'came "2026-02-29"'],
  [['report', 'job', '1', '--submitted', '2026-13-01'], 64, '--submitted', 'came "2026-13-01"'],
  [['report', 'job', '1', '--submitted', '2026-01-01T24:00:00Z'], 64, '--submitted', '2026-11-21T09:00:00Z'],
  [['report', 'job', '1', '--submitted', 'yesterday'], 64, '--submitted', 'came "yesterday"'],
  [['report', 'job', '1', '--submitted', ''], 64, '--submitted', 'came ""'],
  [['report', 'job', '1', '--submitted', '2026-11-21T09:00:00+01:00'], 64, '--submitted', 'UTC'],
  [['report', 'job', '1', '--json', '--csv'], 64, 'cannot be used with'],
  [['report', 'job', '1', '--js1', '--json'], 64, 'cannot be used with'],
  [['report', 'job', '1', '2', '--csv', '--js1'], 64, 'cannot be used with'],
  [['report', 'job', '--js1'], 64, "missing required argument 'id'"],
  [['report', 'job', '1', '--js1=2'], 64, '--js1'],
  [['report', 'job', '1', '--js1'], 75, '127.0.0.1:1', 'exit 75'],
  [['report', 'job', '1', '--all=no'], 64, '--all'],
  [['report', 'job', '1', '--gpus', '4'], 64, "unknown option '--gpus'", 'is a flag of'],
  [['report', 'job', '1', '--cluster', ''], 64, '--cluster'],
  [['report', 'job', '1', '--cluster'], 64, '--cluster', 'argument missing'],
  [['report', 'job', '1'], 75, '127.0.0.1:1', 'exit 75'],
  [['report', 'jobs', 'ada'], 64, 'too many arguments', 'expected: gpuledger report jobs [options]'],
  [['report', 'jobs', '--user', ''], 64, '--user', 'expected a name, came nothing'],
  [['report', 'jobs', '--user'], 64, '--user', 'argument missing'],
  [['report', 'jobs', '--sort', 'shoes'], 64, '--sort', 'wasted, lost, idle, energy'],
  [['report', 'jobs', '--sort', 'cost'], 64, '--sort cost: expected prices', 'costs.gpu_hour or costs.kwh'],
  [['report', 'jobs', '--since', '5'], 64, '--since', 'came 5 '],
  [['report', 'jobs', '--from', '2026-02-30'], 64, '--from', 'came "2026-02-30"'],
  [['report', 'jobs', '--since', '1d', '--from', '2026-02-01'], 64, '--since or --from'],
  [['report', 'jobs', '--json', '--csv'], 64, 'cannot be used with'],
  [['report', 'jobs', '--usr', 'ada'], 64, "unknown option '--usr'"],
  [['report', 'jobs', '--name', "x'; DROP TABLE jobs; --"], 75, '127.0.0.1:1', 'exit 75'],
  [['report', 'capacity', '--by', 'nope'], 64, '--by', 'account'],
  [['report', 'capacity', '--by', ''], 64, '--by', 'account'],
  [['report', 'capacity', '--by', 'month,account'], 64, '--by', 'account'],
  [['report', 'capacity', '--by', 'account,user'], 64, '--by', 'month'],
  [['report', 'capacity', '--by', 'account,month,week'], 64, '--by', 'month'],
  [['report', 'capacity', '--since', '5'], 64, '--since', 'came 5 '],
  [['report', 'capacity', '--since', ''], 64, '--since'],
  [['report', 'capacity', '--since', '-1h'], 64, '--since', '"-1h"'],
  [['report', 'capacity', '--since', '1e3h'], 64, '--since', '"1e3h"'],
  [['report', 'capacity', '--since', '99999999999999w'], 64, '--since'],
  [['report', 'capacity', '--since', '0s'], 64],
  [
    ['report', 'capacity', '--since', '1d', '--from', '2026-01-01'],
    64,
    'expected --since or --from, came both',
  ],
  [['report', 'capacity', '--from', '2026-02-30'], 64, '--from', 'came "2026-02-30"'],
  [['report', 'capacity', '--from', '2026-04-31T00:00'], 64, '--from', 'came "2026-04-31T00:00"'],
  [['report', 'capacity', '--to', '2026-02-30'], 64, '--to', 'came "2026-02-30"'],
  [['report', 'capacity', '--from', '2026-01-02', '--to', '2026-01-01'], 64, '2026-01-0'],
  [['report', 'capacity', '--from', '2026-01-02', '--to', '2026-01-02'], 64, '2026-01-02'],
  [['report', 'capacity', '--from', '2999-01-01'], 64, '2999'],
  [['report', 'capacity', 'x'], 64, 'too many arguments'],
  [['report', 'capacity', '--json', '--csv'], 64, 'cannot be used with'],
  [['report', 'capacity'], 75, '127.0.0.1:1'],

  [['watch-idle', '--after', '5'], 64, '--after', '5 without a unit'],
  [['watch-idle', '--after', '30s'], 64, '--after', 'expected 1m to 12h, came 30s'],
  [['watch-idle', '--after', '13h'], 64, '--after', 'expected 1m to 12h, came 13h'],
  [['watch-idle', '--user', ' '], 64, '--user', 'expected a name, came nothing'],
  [['watch-idle', '4217'], 64, 'too many arguments'],
  [['watch-idle'], 75, '127.0.0.1:1'],

  [['query', 'nope'], 64, 'there is no query "nope"', 'gpuledger query list'],
  [['query', 'idle-nwo'], 64, 'there is no query "idle-nwo"', 'did you mean: idle-now'],
  [['query', 'idle-now', 'below=0.1'], 64, 'too many arguments'],
  [['query', 'list', ''], 64, 'expected the name of a query', 'gpuledger query list'],
  [['query', 'list', LONG], 64, 'there is no query', '…'],
  [['query', 'list', 'a\u001b[2J'], 64, 'there is no query "a␛[2J"'],
  [['query', 'list', '../../../package'], 64, 'there is no query'],
  [['query', 'run'], 64, "missing required argument 'name'"],
  [['query', 'run', 'job-phasse'], 64, 'did you mean: job-phases'],
  [['query', 'run', '../pom'], 64, 'there is no query'],
  [['query', 'run', 'constructor'], 64, 'there is no query'],
  [['query', 'run', 'job-phases'], 64, 'expected job=…', 'gpuledger query run job-phases job=…'],
  [['query', 'run', 'job-phases', '4217'], 64, 'expected name=value, came "4217"', 'job, every, lane, limit'],
  [['query', 'run', 'job-phases', 'jbo=4217'], 64, 'no parameter "jbo"', 'did you mean: job'],
  [['query', 'run', 'job-phases', '=4217'], 64, 'no parameter ""', 'parameters: job'],
  [['query', 'run', 'job-phases', '__proto__=1'], 64, 'no parameter "__proto__"'],
  [['query', 'run', 'job-phases', 'job_from=1'], 64, 'no parameter "job_from"'],
  [['query', 'run', 'job-phases', 'job=1', 'job=2'], 64, 'job: expected one value, came two'],
  [['query', 'run', 'job-phases', 'job='], 64, 'job: expected a job id', 'came nothing'],
  [['query', 'run', 'job-phases', 'job= '], 64, 'job: expected a job id', 'came nothing'],
  [['query', 'run', 'job-phases', 'job=a\nb'], 64, 'control characters', 'a\\nb'],
  [['query', 'run', 'job-phases', `job=${LONG}`], 64, '1 to 256 characters'],
  [['query', 'run', 'job-phases', 'job=1', 'every=5'], 64, 'every: expected a duration', 'came "5"'],
  [['query', 'run', 'job-phases', 'job=1', "every=5m' OR '1"], 64, 'every: expected a duration'],
  [['query', 'run', 'job-phases', 'job=1', 'every=0s'], 64, 'every: expected a duration'],
  [['query', 'run', 'job-phases', 'job=1', 'every=99999w'], 64, 'every: expected a duration'],
  [['query', 'run', 'job-phases', 'job=1', 'limit=0'], 64, 'limit: expected a whole number of at least 1'],
  [['query', 'run', 'job-phases', 'job=1', 'limit=1; DROP TABLE jobs'], 64, 'limit: expected a whole number'],
  [['query', 'run', 'job-phases', 'job=1', 'limit=1e3'], 75, '127.0.0.1:1'],
  [['query', 'run', 'job-phases', 'job=1', 'limit=1.5'], 64, 'limit: expected a whole number'],
  [['query', 'run', 'idle-now', 'below=half'], 64, 'below: expected a number from 0 to 1', 'came "half"'],
  [['query', 'run', 'idle-now', 'below=0x1'], 64, 'below: expected a number from 0 to 1'],
  [['query', 'run', 'idle-now', 'below=2'], 64, 'below: expected a number from 0 to 1', 'came "2"'],
  [['query', 'run', 'idle-now', 'at=2026-02-30'], 64, 'at: expected an ISO date or time', 'at=-7d'],
  [['query', 'run', 'idle-now', 'at=yesterday'], 64, 'at: expected an ISO date or time'],
  [['query', 'run', 'idle-now', 'at=-7'], 64, 'at: expected a time, or how long ago'],
  [['query', 'run', 'idle-now', 'at=-9999999w'], 64, 'at: expected a time, or how long ago'],
  [['query', 'run', 'gaps', 'from=now', 'to=-1d'], 64, 'begins before it ends', 'from=now to=-1d'],
  [['query', 'run', 'gaps', 'from=2026-01-02', 'to=2026-01-02'], 64, 'begins before it ends'],
  [['query', 'run', 'top-wasters', 'by=nobody'], 64, 'by: expected one of user, account', 'came "nobody"'],
  [['query', 'run', 'top-wasters', 'lane=nope table'], 64, 'lane: expected the name of a lane'],
  [['query', 'run', 'top-wasters', 'lane=x" JOIN jobs'], 64, 'lane: expected the name of a lane'],
  [
    ['query', 'run', 'top-wasters', 'lane=device'],
    64,
    'device has no sm_active_ratio',
    'lanes that have: profiling',
  ],
  [
    ['query', 'run', 'job-histogram', 'job=1', 'gauge=sm_activ'],
    64,
    'gauge: expected the column of a gauge',
    'did you mean: sm_active_ratio',
  ],
  [
    ['query', 'run', 'job-histogram', 'job=1', 'gauge=energy_joules'],
    64,
    'gauge: expected the column of a gauge',
  ],
  [
    ['query', 'run', 'job-histogram', 'job=1', 'gauge=1); DROP TABLE jobs --'],
    64,
    'gauge: expected the column',
  ],
  [['query', 'run', 'gauge-percentiles', 'gauge=fb_used_bytes'], 64, 'no histogram', 'power_watts'],
  [
    ['query', 'run', 'device-owners', 'device=0'],
    64,
    'device: expected the UUID of a device',
    'gpuledger devices',
  ],
  [['query', 'run', 'device-owners', "device=GPU-1' OR '1'='1"], 64, 'device: expected the UUID of a device'],
  [['query', 'run', 'xids-per-node', 'node='], 64, 'node: expected', 'for every one leave it out'],
  [['query', 'run', 'gaps', '--json', '--csv'], 64, 'cannot be used with'],
  [['query', 'run', 'gaps', '--since', '7d'], 64, "unknown option '--since'"],
  [['query', 'run', 'gaps'], 75, '127.0.0.1:1', 'exit 75'],
  [['query', 'show', 'nope'], 64, 'there is no query "nope"'],
  [['query', 'show', 'job-phases', 'job=1', 'x=1'], 64, 'no parameter "x"'],
  [['query', 'show', 'gaps', '--config', '/proc/nonexistent'], 78, '/proc/nonexistent'],

  [['collect'], 64, '--for 60s', '--once'],
  [['collect', '--for', '5'], 64, '--for', 'came 5 '],
  [['collect', '--for', ''], 64, '--for'],
  [['collect', '--for', 'soon'], 64, '--for', '"soon"'],
  [['collect', '--for', '-3s'], 64, '--for', '"-3s"'],
  [['collect', '--for', '0s', ...SYNTHETIC], 64, '--for', '0s'],
  [['collect', '--for', '99999999w', ...SYNTHETIC], 64, '--for'],
  [['collect', '--for', '1s', '--once'], 64, 'cannot be used with'],
  [['collect', '--once', '--source', 'nope'], 78, '"nope"', 'synthetic'],
  [['collect', '--once', ...SYNTHETIC, '--devices', 'g:9'], 78, 'came "g:9"', '--gpus'],
  [['collect', '--once', ...SYNTHETIC, '--devices', 'q'], 78, '"q"', 'g:0,2-4'],
  [['collect', '--once', ...SYNTHETIC, '--interval', '1ms'], 78, '--interval', '1ms'],
  [['collect', '--once', '--source', 'recording'], 78, 'recording'],
  [
    ['collect', '--once', '--source', 'dcgm', '--dcgm-library', '/proc/nonexistent.so'],
    69,
    '/proc/nonexistent.so',
  ],
  [
    ['collect', '--once', '--source', 'nvml', '--nvml-library', '/proc/nonexistent.so'],
    69,
    '/proc/nonexistent.so',
  ],
  [['dmon', '-c', '1', '--source', 'dcgm', '--dcgm-library', '/etc/passwd'], 69, '/etc/passwd'],
  [['collect', 'x', '--once'], 64, 'too many arguments'],
  [['run', 'x'], 64, 'too many arguments'],
  [['run', '--for', '1s'], 64, "unknown option '--for'"],
  [['run', '--source', 'nope'], 78, '"nope"', 'synthetic'],
  [['run', '--source', 'dcgm', '--dcgm-library', '/proc/nonexistent.so'], 69, '/proc/nonexistent.so'],
  [['run', '-r', 'host:99999', '--source', 'dcgm'], 78, 'host:99999'],
  [['run', '-r', '', '--source', 'dcgm'], 78, '-r'.slice(1)],
  [['run', '--gpus', '0', '--source', 'synthetic'], 78, '--gpus', '0'],
  [['run', '--gpus', 'many', '--source', 'synthetic'], 78, '--gpus', '"many"'],

  [['drain', '--concurrency', '0'], 64, '--concurrency', 'whole number from 1'],
  [['drain', '--concurrency', 'x'], 64, '--concurrency', 'whole number from 1'],
  [['drain', '--concurrency', '1.5'], 64, '--concurrency', 'whole number from 1'],
  [['drain', '--keep', '5'], 64, '--keep', 'came 5 '],
  [['drain', '--since', 'x'], 64, '--since', '"x"'],
  [['drain', '--window', ''], 64, '--window'],
  [['drain', '--deadline', 'soon'], 64, '--deadline', '"soon"'],
  [['drain', '--deadline', '0s'], 78, 'deadline', 'at least 1s'],
  [['drain', '--deadline', '10ms'], 78, 'deadline', 'at least 1s'],
  [['drain', '-r', ''], 78, 'neither host'],
  [['drain', '-r', 'a b'], 78, '"a b"'],
  [['drain', '-r', 'h:0'], 78, 'h:0'],
  [['drain', '-r', 'unix://'], 78, 'unix://'],
  [['drain', '-r', '=h'], 78, '"=h"'],
  [['drain', '-r', 'a=h', '-r', 'b=h'], 78, 'h'],
  [['drain', '--engines', ''], 78, '--engines ""'],
  [['drain', '--engines', '/proc/nonexistent'], 78, '/proc/nonexistent', 'no such file'],
  [['drain', '--engines', '/dev'], 78, '/dev', 'directory'],
  [['drain', '--engines', '/dev/null'], 78, '/dev/null'],
  [['drain', '--journal', '', '-r', 'localhost'], 64, '--journal', 'came nothing'],
  [['drain', '--journal', '/proc/nonexistent', '-r', 'localhost'], 64, '/proc/nonexistent', 'no such file'],
  [['drain', '--devices', 'g:9-1'], 78, '9-1', 'backwards'],
  [['drain', '--source', 'nvml'], 64, "unknown option '--source'"],
  [['drain', 'x'], 64, 'too many arguments'],
  [['drain', '--dcgm-library', '/proc/nonexistent.so'], 69, '/proc/nonexistent.so'],

  [['status', 'x'], 64, 'too many arguments'],
  [['status', '--state-dir', '/proc/nonexistent'], 69, '/proc/nonexistent', 'gpuledger run'],
  [['status', '--state-dir', ''], 78, '--state-dir'],
  [['status', '--gpus', '1'], 64, "unknown option '--gpus'"],

  [['spool'], 64, 'expected one of these commands after "gpuledger spool"'],
  [['spool', 'nope'], 64, "unknown command 'nope'"],
  [['spool', 'drop'], 64, "required option '--yes'", 'expected: gpuledger spool drop --yes'],
  [['spool', 'drop', '--yes=no'], 64, '--yes'],
  [['spool', 'status', 'x'], 64, 'too many arguments'],
  [['spool', 'replay', 'x'], 64, 'too many arguments'],

  [['job'], 64, 'expected one of these commands after "gpuledger job"'],
  [['job', 'start'], 64, 'expected: gpuledger job start --job <id> --devices <list>'],
  [['job', 'start', '--job', '1'], 64, '--devices'],
  [['job', 'start', '--job', '', '--devices', '0'], 64, '--job', 'found nothing'],
  [['job', 'start', '--job', ' ', '--devices', '0'], 64, '--job', 'found nothing'],
  [['job', 'start', '--job', 'a\nb', '--devices', '0'], 64, '--job', 'control characters'],
  [['job', 'start', '--job', LONG, '--devices', '0'], 64, '--job', '5000'],
  [['job', 'start', '--job', '1', '--devices', '', '--journal', '/proc/nonexistent/x'], 64, '--devices'],
  [['job', 'start', '--job', '1', '--devices', ',', '--journal', '/proc/nonexistent/x'], 64, '--devices'],
  [['job', 'start', '--job', '1', '--devices', 'GPU 1', '--journal', '/proc/nonexistent/x'], 64, '--devices'],
  [['job', 'start', '--job', '1', '--devices', '-1', '--journal', '/proc/nonexistent/x'], 64, '--devices'],
  [['job', 'start', '--job', '1', '--devices', '0', '--share', '0'], 64, '--share', '0.5'],
  [['job', 'start', '--job', '1', '--devices', '0', '--share', '1.5'], 64, '--share', '0.5'],
  [['job', 'start', '--job', '1', '--devices', '0', '--share', 'half'], 64, '--share', '0.5'],
  [['job', 'start', '--job', '1', '--devices', '0', '--share', ''], 64, '--share', '0.5'],
  [['job', 'start', '--job', '1', '--devices', '0', '--run', '-1'], 64, '--run', 'whole number'],
  [['job', 'start', '--job', '1', '--devices', '0', '--run', 'x'], 64, '--run', 'whole number'],
  [['job', 'start', '--job', '1', '--devices', '0', '--manager', 'Slurm!'], 64, '--manager', 'lower case'],
  [['job', 'start', '--job', '1', '--devices', '0', '--manager', ''], 64, '--manager', 'lower case'],
  [['job', 'start', '--job', '1', '--devices', '0', '--journal', ''], 64, '--journal', 'came nothing'],
  [['job', 'start', '--job', '1', '--devices', '0', '--node', ''], 64, '--node', 'came nothing'],
  [['job', 'start', '--job', '1', '--devices', '0', 'x'], 64, 'too many arguments'],
  [['job', 'end', '--job', '1', '--exit-code', '256'], 64, '--exit-code', '0 to 255'],
  [['job', 'end', '--job', '1', '--exit-code', ''], 64, '--exit-code', '0 to 255'],
  [['job', 'end', '--job', '1', '--exit-code', '-1'], 64, '--exit-code', '0 to 255'],
  [['job', 'end', '--job', '1', '--at', '2026-02-30'], 64, '--at', 'came "2026-02-30"'],
  [['job', 'end', '--job', '1', '--at', '2026-02-30T10:00:00Z'], 64, '--at', '2026-02-30'],
  [['job', 'end', '--job', '1', '--at', 'now'], 64, '--at', 'came "now"'],
  [['job', 'end', '--job', '1', '--at', '2001-01-01'], 64, 'since this node was booted'],
  [['job', 'end', '--job', '1', '--at', '2999-01-01'], 64, 'still to come'],
  [['job', 'end', '--devices', '0', '--job', '1'], 64, "unknown option '--devices'"],

  [['jobs'], 64, 'expected one of these commands after "gpuledger jobs"'],
  [['jobs', 'nope'], 64, "unknown command 'nope'"],
  [['jobs', 'push', '--journal', ''], 64, '--journal', 'came nothing'],
  [['jobs', 'push', '--journal', '/proc/nonexistent'], 64, '/proc/nonexistent', 'no such file'],
  [['jobs', 'push', '--journal', '/etc/passwd'], 64, '/etc/passwd', 'no directory'],
  [['jobs', 'push', 'x'], 64, 'too many arguments'],
  [['jobs', 'push'], 75, '127.0.0.1:1'],
  [['jobs', 'sync', '--since', 'x'], 64, '--since', '"x"'],
  [['jobs', 'sync', '--since', '-2d'], 64, '--since', '"-2d"'],
  [['jobs', 'sync'], 75, '127.0.0.1:1'],

  [['devices', 'x'], 64, 'too many arguments'],
  [['devices', '--source', 'nope'], 78, '"nope"'],
  [['devices', '--source', 'synthetic', '--devices', 'g:9'], 69, '"g:9"', 'gpuledger devices'],
  [['devices', '--source', 'synthetic', '--devices', ''], 78, '--devices'],
  [['devices', '--source', 'synthetic', '--devices', 'g:0,,1'], 78, 'g:0,,1'],
  [['devices', '--source', 'synthetic', '--devices', 'g:0-99999'], 78, '1024'],
  [['devices', '--source', 'synthetic', '--devices', 'g+g'], 78, 'twice'],
  [['devices', '--source', 'recording'], 78, 'recording'],

  [['dmon', '-e', ''], 64, '-e', 'gpuledger fields'],
  [['dmon', '-e', 'nope_nope'], 64, '"nope_nope"'],
  [['dmon', '-e', '1002,,1004'], 64, '-e'],
  [['dmon', '-e', '1'], 64, '-e', '"1"'],
  [['dmon', '-d', '0'], 64, '-d', '"0"', '10ms'],
  [['dmon', '-d', '-5'], 64, '-d'],
  [['dmon', '-d', 'x'], 64, '-d', '"x"', '10ms'],
  [['dmon', '-d', ''], 64, '-d', '10ms'],
  [['dmon', '-d', '99999999999'], 64, '-d'],
  [['dmon', '-c', '0'], 64, '-c', '"0"', 'above 0'],
  [['dmon', '-c', 'x'], 64, '-c', '"x"', 'above 0'],
  [['dmon', '-c', '1', '-i', 'q', '--source', 'synthetic'], 78, '"q"'],
  [['dmon', '-c', '1', '-i', 'g:9', '--source', 'synthetic'], 78, 'came "g:9"'],

  [['profiling'], 64, 'expected one of these commands after "gpuledger profiling"'],
  [['profiling', 'pause', '--for', '5', '--state-dir', 'DIR'], 64, '--for "5"', '10m'],
  [['profiling', 'pause', '--for', '0s', '--state-dir', 'DIR'], 64, '--for "0s"', '10m'],
  [['profiling', 'pause', '--for', '', '--state-dir', 'DIR'], 64, '--for ""', '10m'],
  [['profiling', 'pause', '--for', '99999999999w', '--state-dir', 'DIR'], 64, '--for'],
  [['profiling', 'pause', '--name', '../x', '--state-dir', 'DIR'], 64, '"../x"', 'letters'],
  [['profiling', 'pause', '--name', '', '--state-dir', 'DIR'], 64, '""', 'letters'],
  [['profiling', 'pause', '--name', LONG, '--state-dir', 'DIR'], 64, 'letters'],
  [['profiling', 'pause', '--state-dir', 'DIR'], 69, 'nobody hears', '--state-dir'],
  [['profiling', 'resume', '--name', '/', '--state-dir', 'DIR'], 64, '"/"', 'letters'],
  [['profiling', 'status', 'x'], 64, 'too many arguments'],

  [['fields', 'nosuchfield'], 64, 'no field matches "nosuchfield"', 'gpuledger fields --all'],
  [['fields', ''], 64, 'no field', 'gpuledger fields'],
  [['fields', 'a', 'b'], 64, 'too many arguments'],
  [['fields', '*nope*'], 64, 'no field matches'],
  [['fields', 'a\u001b]0;x'], 64, 'no field matches "a␛]0;x"'],
  [['fields', '99999999999999999999'], 64, 'no field matches'],

  [['config'], 64, 'expected one of these commands after "gpuledger config"'],
  [['config', 'check', '--config', ''], 78, 'cannot be read'],
  [['config', 'check', '--config', '/proc/nonexistent'], 78, '/proc/nonexistent', 'no such file'],
  [['config', 'check', '--config', '/'], 78, 'directory'],
  [['config', 'check', '--config', '/dev/zero'], 78, '/dev/zero', '1024 KiB'],
  [['config', 'check', '--config', '/etc/passwd/x'], 78, '/etc/passwd/x', 'no directory'],
  [['config', 'check', '--config', `/${LONG}`], 78, 'too long'],
  [['config', 'check', '--config', 'a\0b'], 78, 'cannot be read'],
  [['config', 'print', 'x'], 64, 'too many arguments'],
  [['config', 'print', '--nope'], 64, "unknown option '--nope'"],
  [['config', 'check', '--interval', '5'], 78, '--interval', 'came 5 '],
  [['config', 'check', '--counters', '/proc/nonexistent'], 78, '/proc/nonexistent'],
  [['config', 'check', '--questdb-conf-file', '/proc/nonexistent'], 78, '/proc/nonexistent'],
  [['config', 'check', '--log-level', 'loud'], 78, '"loud"', 'warn'],

  [['schema'], 64, 'expected one of these commands after "gpuledger schema"'],
  [['schema', 'apply'], 75, '127.0.0.1:1'],
  [['schema', 'apply', 'x'], 64, 'too many arguments'],
  [['schema', 'apply', '--rebuild-rollups'], 64, "unknown option '--rebuild-rollups'"],
  [['schema', 'apply', '--on', 'n1'], 64, "'--on'", 'it is one of gpuledger schema name-rows'],
  [['schema', 'apply', '--jsno'], 64, "'--jsno'", 'Did you mean --json?'],
  [['schema', 'name-rows'], 78, 'GPULEDGER_CLUSTER'],
  [['schema', 'name-rows', '--on', ''], 64, '--on', 'n[01-16]'],
  [['schema', 'name-rows', '--on', 'n['], 64, '--on', 'n[01-16]'],
  [['schema', 'print', '--interval', '0s'], 78, '--interval', '0s'],

  [['questdb'], 64, 'expected one of these commands after "gpuledger questdb"'],
  [['questdb', 'start', '--port', '0'], 64, '--port', '65535'],
  [['questdb', 'start', '--port', 'x'], 64, '--port', '65535'],
  [['questdb', 'start', '--port', '70000'], 64, '--port', '65535'],
  [['questdb', 'start', '--java', '/proc/nonexistent/java', '--data', 'DIR'], 69, '/proc/nonexistent/java'],
  [['questdb', 'start', '--data', ''], 64, '--data', 'came nothing'],
  [['questdb', 'url', '--data', 'DIR'], 69, 'no QuestDB server', 'gpuledger questdb start'],
  [['questdb', 'status', '--data', 'DIR'], 69, 'no QuestDB server', 'gpuledger questdb start'],
  [['questdb', 'nope'], 64, "unknown command 'nope'"],
  [['demo', '--seed', 'x'], 64, '--seed', 'whole number'],
  [['demo', '--seed', '-1'], 64, '--seed', 'whole number'],
  [['demo', '--seed', ''], 64, '--seed', 'whole number'],
  [['demo', '--data', ''], 64, '--data', 'came nothing'],
  [['demo', '--data', '/etc'], 64, '/etc', '--data DIR'],
  [['demo', 'x'], 64, 'too many arguments'],
];

test('they are two hundred', () => {
  expect(COMMANDS.length).toBeGreaterThanOrEqual(200);
});

test.each(COMMANDS.map(([line, ...rest]) => [line.join(' ').slice(0, 80), line, ...rest] as const))(
  '%s',
  async (_name, line, exitCode, ...said) => {
    const ended = await runLine(line.map((word) => (word === 'DIR' ? join(directory, 'none') : word)));
    expectRefusal(ended);
    expect(ended.exitCode, ended.stderr).toBe(exitCode);
    for (const words of said) expect(ended.stderr).toContain(words);
  },
);

describe('every flag and variable', () => {
  const WRONG = ['', ' ', '-1', '1e999', '\u202e\u001b[31m', '🙈', 'x y', LONG, `token=${SECRET};`];

  test.each(WRONG.map((text) => [JSON.stringify(text).slice(0, 30), text]))(
    'with %s',
    async (_name, text) => {
      for (const { flag, variable } of ALL_SETTINGS) {
        const long = /--[\w-]+/.exec(flag ?? '')?.[0];
        const ways = [
          ...(long === undefined ? [] : [{ args: [`${long}=${text}`], env: {}, name: long }]),
          { args: [], env: { [variable]: text }, name: variable },
        ];
        for (const { args, env, name } of ways) {
          const ended = await runLine(['config', 'check', ...args], env);
          if (ended.exitCode === 0) {
            expect(ended.stdout + ended.stderr, name).not.toContain(SECRET);
            continue;
          }
          expectRefusal(ended);
          expect([64, 78], name).toContain(ended.exitCode);
          expect(ended.stderr).toMatch(/expected|cannot be|unknown|neither|none of|is about/);
        }
      }
    },
  );
});
