import ora from 'ora';

/** One step that may take a while: what it is doing, then how it ended, with the seconds it took. */
export interface Step {
  /** Replaces the words while the step goes on (a terminal shows them; a pipe does not). */
  update(text: string): void;
  done(text: string, note?: string): void;
  fail(text: string): void;
}

/** Column in which the seconds stand. */
const TEXT_WIDTH = 76;
/** What is over sooner needs no line of its own. */
const BRIEF_MS_MAX = 2_000;

/** Steps are shown on stderr, so that what a command prints can be piped. */
export function startStep(text: string, startMs = performance.now()): Step {
  const spinner = ora({ text, stream: process.stderr, discardStdin: false, hideCursor: true });
  if (process.stderr.isTTY) spinner.start();
  const line = (words: string, note: string): string => {
    const seconds = `${((performance.now() - startMs) / 1000).toFixed(1)} s`.padStart(6);
    return `${words.padEnd(TEXT_WIDTH)} ${seconds}${note === '' ? '' : `   ${note}`}`;
  };
  return {
    update(words) {
      spinner.text = words;
    },
    done(words, note = '') {
      spinner.stopAndPersist({ symbol: ' ✓', text: line(words, note) });
    },
    fail(words) {
      spinner.stopAndPersist({ symbol: ' ✗', text: line(words, '') });
    },
  };
}

/** The same for what is mostly brief: it is shown from its third second on. */
export function startMaybeBriefStep(text: string): Step {
  const startMs = performance.now();
  let words = text;
  let step: Step | undefined;
  const timer = setTimeout(() => (step = startStep(words, startMs)), BRIEF_MS_MAX);
  return {
    update(newWords) {
      words = newWords;
      step?.update(newWords);
    },
    done(endWords, note) {
      clearTimeout(timer);
      step?.done(endWords, note);
    },
    fail(endWords) {
      clearTimeout(timer);
      step?.fail(endWords);
    },
  };
}

/** For what prints its own end: on a terminal it is shown from its third second on, and gone at its end. */
export function startPassingStep(text: string): Pick<Step, 'update'> & { end(): void } {
  const spinner = ora({ text, stream: process.stderr, discardStdin: false, hideCursor: true });
  const timer = process.stderr.isTTY ? setTimeout(() => spinner.start(), BRIEF_MS_MAX) : undefined;
  return {
    update(words) {
      spinner.text = words;
    },
    end() {
      clearTimeout(timer);
      spinner.stop();
    },
  };
}

/** Does the work and shows it so: for what is mostly brief. */
export async function whileShown<T>(
  text: string,
  work: (update: (words: string) => void) => Promise<T>,
): Promise<T> {
  const step = startPassingStep(text);
  try {
    return await work((words) => {
      step.update(words);
    });
  } finally {
    step.end();
  }
}
