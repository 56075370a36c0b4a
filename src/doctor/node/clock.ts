import { fine, wrong, type Check } from '../check.ts';
import { NotTold } from '../not-told.ts';

/** What the kernel says once nobody has set its clock for long; systemd calls less synchronized, too. */
const ERROR_US_MAX = 16_000_000;

export const clock: Check = {
  part: 'node',
  name: 'clock',
  why: 'samples and jobs of two nodes meet by their clocks: a wrong one gives GPU time to the wrong job',
  async look({ machine }) {
    const errorUs = await machine.clockErrorUs();
    if (errorUs === undefined) throw new NotTold('the kernel does not tell how right its clock is');
    if (errorUs >= ERROR_US_MAX)
      return wrong('nobody keeps the clock of this machine right', [
        'timedatectl set-ntp true',
        'or start what your site uses: systemctl enable --now chronyd',
      ]);
    return fine(`kept right, at most ${(errorUs / 1000).toFixed(errorUs < 10_000 ? 1 : 0)} ms off`);
  },
};
