/** What packages say of themselves. */
export const ABOUT = {
  short: 'records what every GPU of a cluster did, and whose job it was',
  long: [
    'A collector on each node samples DCGM or NVML fields at the resolution of the',
    'hardware, labels them with the jobs that owned the GPUs, and writes them to a',
    'QuestDB. Reports account for jobs, users and the whole fleet from there.',
    '.',
    'It brings its own Node.js. Neither DCGM nor Java has to be there.',
  ],
};

export const MAINTAINER = 'gpuledger maintainers <maintainers@gpuledger.example.org>';
