import { isHealthAnswer } from '../../../schemas/reports/health-answer.ts';
import { formatListenAddress } from '../../config/addresses.ts';
import { askPort } from '../ask-port.ts';
import { fine, wrong, type Check } from '../check.ts';
import { isOn } from '../machine.ts';

const ENABLED = '/etc/systemd/system/multi-user.target.wants/gpuledger-serve.service';

export const webServer: Check = {
  part: 'store',
  name: 'web server',
  why: 'where another program has the port, readers get its pages, or none',
  async look(facts) {
    const { serve } = await facts.config();
    if (!isOn(facts.machine, ENABLED)) return undefined;
    const where = formatListenAddress(serve.listen);
    const answer = await askPort(serve.listen, '/healthz', { isTls: serve.tlsCert !== undefined });
    if (answer === 'refused')
      return wrong(`it is enabled, and nothing listens on ${where}`, [
        'systemctl start gpuledger-serve',
        'what kept it: journalctl -u gpuledger-serve -n 20',
      ]);
    // Ours says its state, or in words of its own what it is refused.
    if (answer === 'no answer' || !isHealthAnswer(answer.text))
      return wrong(`another program listens on ${where}`, [
        `who it is: ss -ltnp 'sport = :${serve.listen.port}'`,
        'or take another port: serve.listen in the configuration',
      ]);
    return fine(`gpuledger answers on ${where}`);
  },
};
