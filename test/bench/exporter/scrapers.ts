/**
 * Scrapers in a process of their own, each with a connection that it keeps, as Prometheus has it: one asks every EVERY_MS, or, where
 * that is 0, as soon as it is answered. Prints milliseconds of each scrape as JSON. Arguments: ADDRESS SCRAPERS EVERY_MS SECONDS
 */
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const [address = '', ...numbers] = process.argv.slice(2);
const [scrapers = 0, everyMs = 0, seconds = 0] = numbers.map(Number);
const untilMs = performance.now() + seconds * 1000;
const tookMs: number[] = [];

async function scrape(agent: Agent): Promise<void> {
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    get(`http://${address}/metrics`, { agent }, (answer) => {
      answer.resume().once('end', resolve);
      if (answer.statusCode !== 200) reject(new Error(`/metrics: ${answer.statusCode}`));
    }).on('error', reject);
  });
  tookMs.push(performance.now() - startMs);
}

async function scrapeOn(offsetMs: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await sleep(offsetMs);
  for (let nextMs = performance.now(); nextMs < untilMs; nextMs += everyMs) {
    await sleep(Math.max(0, nextMs - performance.now()));
    await scrape(agent);
    if (everyMs === 0) nextMs = performance.now();
  }
  agent.destroy();
}

await Promise.all(Array.from({ length: scrapers }, (_, index) => scrapeOn((index * everyMs) / scrapers)));
console.log(JSON.stringify(tookMs));
