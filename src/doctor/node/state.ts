import { join } from 'node:path';
import { shell } from '../../core/base/shell.ts';
import { makeDirectories } from '../../disk/make-directories.ts';
import { accountOf, may, modeText, ownerText, WRITE_AND_ENTER } from '../accounts.ts';
import { spooledTables, surveySpool } from '../../disk/spool-survey.ts';
import { formatBytes } from '../amounts.ts';
import { fine, wrong, type Check, type Outcome } from '../check.ts';
import type { Facts } from '../facts.ts';
import { statAt } from '../machine.ts';
import { asThisUser } from '../rights.ts';
import { readUnit } from './unit-file.ts';

const OTHERS_LOOK_OR_WRITE = 0o006;
/** Rows that wait longer than a restart of the server takes. */
const WAIT_MS_MAX = 15 * 60_000;

/** The user of the service; undefined where no service is installed. */
export function serviceUser({ machine }: Facts): string | undefined {
  const unit = readUnit(machine);
  return unit === undefined ? undefined : (unit.valueOf('User') ?? 'root');
}

export const stateDirectory: Check = {
  part: 'node',
  name: 'state directory',
  why: 'what the store does not take is kept there; without it a restart or an outage costs samples',
  async look(facts) {
    const { machine } = facts;
    const { stateDir } = await facts.config();
    const found = statAt(stateDir);
    const user = serviceUser(facts);
    if (found === undefined)
      // The service's own is systemd's to make, for the right user.
      return wrong(
        `${stateDir} is not there`,
        [user === undefined ? shell`mkdir -p ${stateDir}` : 'systemctl start gpuledger'],
        user === undefined ? () => `${makeDirectories(stateDir) ?? stateDir} was made` : undefined,
      );
    if (!found.isDirectory()) return wrong(`${stateDir} is no directory`, [shell`ls -ld ${stateDir}`]);
    if (user === undefined) return fine(stateDir);
    const account = accountOf(machine, user);
    if (account === undefined)
      return wrong(`the service runs as ${user}, and there is no such user`, [
        'systemd-sysusers gpuledger.conf',
      ]);
    if (!may(account, found, WRITE_AND_ENTER))
      return wrong(
        `${stateDir} is ${ownerText(machine, found)} ${modeText(found)}: ${user} may not write there`,
        [shell`chown -R ${user}:${user} ${stateDir}`],
      );
    // To pass through is what whoever asks for a pause needs.
    if ((found.mode & OTHERS_LOOK_OR_WRITE) !== 0)
      return wrong(`everybody may look into ${stateDir} (${modeText(found)})`, [
        shell`chmod 0751 ${stateDir}`,
      ]);
    return fine(`${stateDir}, of ${ownerText(machine, found)}`);
  },
};

export const spool: Check = {
  part: 'node',
  name: 'spool',
  why: 'rows that wait there are in no report, and beyond its bounds the oldest are dropped',
  async look(facts) {
    const { stateDir, delivery } = await facts.config();
    const surveys = await asThisUser(`the spool below ${stateDir}`, () => {
      // Forbidden is not the same as empty.
      statAt(join(stateDir, 'delivery'));
      return spooledTables(stateDir).map((table) => surveySpool(stateDir, table));
    });
    const sum = (of: (survey: (typeof surveys)[number]) => number): number =>
      surveys.reduce((total, survey) => total + of(survey), 0);
    const damaged = sum(({ damagedSegments }) => damagedSegments);
    if (damaged > 0)
      return wrong(`${damaged} damaged segments were set aside`, [
        shell`ls -l ${stateDir}/delivery/*/spool/damaged`,
      ]);
    const deadBytes = sum(({ deadLetterBytes }) => deadLetterBytes);
    if (deadBytes > 0)
      return wrong(`QuestDB refused rows: ${formatBytes(deadBytes)} of dead letters`, [
        'what they are, and how they are written again: gpuledger spool status, docs/delivery.md',
      ]);
    return waitingOf(surveys, delivery.spoolBytesMax);
  },
};

function waitingOf(surveys: readonly ReturnType<typeof surveySpool>[], bytesMax: number): Outcome {
  const [bytes, rows] = [
    Math.max(0, ...surveys.map((survey) => survey.bytes)),
    surveys.reduce((total, survey) => total + survey.rows, 0),
  ];
  const oldestMs = Math.min(...surveys.map((survey) => survey.oldestMs ?? Infinity));
  if (rows === 0) return fine('nothing waits');
  const minutes = Math.round((Date.now() - oldestMs) / 60_000);
  const waiting = `${rows.toLocaleString('en-US')} rows wait (${formatBytes(bytes)} of at most ${formatBytes(bytesMax)} a lane), the oldest for ${minutes} min`;
  if (Date.now() - oldestMs <= WAIT_MS_MAX) return fine(waiting);
  return wrong(waiting, [
    'where no collector runs: gpuledger spool replay',
    'is the store up? gpuledger doctor --store',
  ]);
}
