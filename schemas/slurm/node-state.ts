import type { NodeState } from '../../src/core/jobs/cluster-load.ts';

/**
 * What Slurm says of a node's state: a word and flags (`idle+drain+not_responding`, as `sinfo -O StateComplete` and, in
 * capitals, `scontrol` write them), or a word with signs behind it (`idle*`, `mixed-`, as other columns do). The state is the
 * worst that any of them means.
 */

/** Takes new jobs, or jobs of a reservation. */
const UP = [
  ...[
    'idle',
    'allocated',
    'alloc',
    'mixed',
    'mix',
    'completing',
    'comp',
    'reserved',
    'resv',
    'planned',
    'plnd',
  ],
  // Told beside a state, and nothing against it: what is asked for, or cancelled, has not happened.
  ...[
    'cloud',
    'dynamic_norm',
    'dynamic_future',
    'external',
    'perfctrs',
    'npc',
    'power_up',
    'resume',
    'undrain',
  ],
  ...['reboot', 'reboot_requested', 'reboot_canceled', 'reboot_cancelled'],
];
/** Finishes what runs there, and takes nothing new. */
const DRAINED = [
  ...['drain', 'drained', 'draining', 'drng', 'maint', 'maintenance', 'blocked', 'power_drain', 'power_down'],
];
const DOWN = [
  ...['down', 'error', 'fail', 'failing', 'failg', 'not_responding', 'no_respond', 'inval', 'invalid_reg'],
  ...['powered_down', 'powering_down', 'powering_up', 'pow_dn', 'pow_up', 'reboot_issued', 'rebooting'],
];
/** Of a node that is described and not there yet, and of one that the controller knows nothing of. */
const UNKNOWN = ['unknown', 'unk', 'future', 'futr'];

const MEANINGS: ReadonlyMap<string, NodeState> = new Map<string, NodeState>([
  ...UP.map((word) => [word, 'up'] as const),
  ...DRAINED.map((word) => [word, 'drained'] as const),
  ...DOWN.map((word) => [word, 'down'] as const),
  ...UNKNOWN.map((word) => [word, 'unknown'] as const),
]);

const SIGNS: ReadonlyMap<string, NodeState> = new Map<string, NodeState>([
  // Does not respond; powered off; powering off; powering up; about to reboot.
  ...['*', '~', '%', '#', '^'].map((sign) => [sign, 'down'] as const),
  // In a reservation for maintenance; powers off once its jobs have ended.
  ...['$', '!'].map((sign) => [sign, 'drained'] as const),
  // Some jobs complete; reboots when it is free; planned for a job.
  ...['+', '@', '-'].map((sign) => [sign, 'up'] as const),
]);

/** The later ones outweigh the earlier ones: of a node that is down nobody cares whether it is drained as well. */
const WEIGHTS: readonly NodeState[] = ['up', 'unknown', 'drained', 'down'];

/** @returns `unknown` also where a word means nothing to this program (of a later Slurm) and no other says that it is out of use */
export function nodeStateOf(told: string): NodeState {
  const [, words = '', signs = ''] = /^(.*?)([*~%#^$!@+-]*)$/s.exec(told.trim().toLowerCase()) ?? [];
  const meanings = [
    ...words.split(/[+ ]+/).map((word) => MEANINGS.get(word) ?? 'unknown'),
    ...Array.from(signs, (sign) => SIGNS.get(sign)!),
  ];
  return WEIGHTS[Math.max(...meanings.map((state) => WEIGHTS.indexOf(state)))]!;
}
