// Draws the charts of a job's page with uPlot, which stands before it. Without it the page has its still pictures.
(() => {
  'use strict';
  for (const button of document.querySelectorAll('button.copy')) {
    button.hidden = false;
    button.addEventListener('click', () => {
      const text = button.previousElementSibling.textContent;
      navigator.clipboard.writeText(text).then(
        () => (button.textContent = 'copied'),
        () => (button.textContent = 'select and copy it by hand'),
      );
    });
  }
  const source = document.getElementById('chart-data');
  if (source === null) return;
  const told = JSON.parse(source.textContent);
  for (const hint of document.querySelectorAll('.for-script')) hint.hidden = false;
  const said = document.getElementById('closer');

  /** So many steps of the whole job on the screen are as much as anybody sees: closer data show nothing more. */
  const STEPS_ENOUGH = 400;
  /** Whoever drags on asks once. */
  const PAUSE_MS = 150;
  /** Seconds; nothing is sampled more often. */
  const SHOWN_MIN = 0.2;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const two = (number) => String(number).padStart(2, '0');
  const clock = (seconds) => {
    const date = new Date(seconds * 1000);
    const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
    return told.to - told.from > 86400 ? `${date.toISOString().slice(5, 10)} ${time}` : time;
  };

  /** What is on the screen: the whole job, or a part of it more closely. */
  let shown = told;
  /** The time that is on the screen. */
  let view = { min: told.from, max: told.to };
  const plots = [];

  // Lines of several lanes, areas, and samples of several devices have times of their own.
  const timesOf = ({ from, step }, values) => values.map((_, at) => from + (at + 0.5) * step);
  const tableOf = (chart) =>
    uPlot.join([
      ...chart.lines.map((line) => [
        line.track === undefined
          ? timesOf(line, line.values)
          : shown.times[line.track].map((ms) => shown.from + ms / 1000),
        line.values,
      ]),
      ...chart.areas.map((area) => [timesOf(area, area.low), area.low, area.high]),
    ]);

  // Time in which something was not seen: no colour that a value could have.
  const hatch = (ctx) => {
    const tile = document.createElement('canvas');
    tile.width = tile.height = 8;
    const pen = tile.getContext('2d');
    pen.strokeStyle = color('--soft');
    pen.lineWidth = 2;
    for (const at of [-8, 0, 8]) {
      pen.moveTo(at, 8);
      pen.lineTo(at + 8, 0);
    }
    pen.stroke();
    return ctx.createPattern(tile, 'repeat');
  };

  const behind = (plot) => {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    const x = (seconds) => plot.valToPos(seconds, 'x', true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.globalAlpha = 0.5;
    ctx.fillStyle = hatch(ctx);
    for (const [from, to] of told.gaps) ctx.fillRect(x(from), top, Math.max(1, x(to) - x(from)), height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = color('--bad');
    for (const [at] of told.events) ctx.fillRect(x(at), top, 1.5, height);
    ctx.restore();
  };

  const limitOf = (limit) => (plot) => {
    if (limit === undefined) return;
    const { ctx } = plot;
    const { left, width } = plot.bbox;
    const y = plot.valToPos(limit, 'y', true);
    ctx.save();
    ctx.strokeStyle = color('--bad');
    ctx.setLineDash([5, 4]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.restore();
  };

  // What the series are, and what is filled between them, in the order of the table.
  const seriesOf = (chart) => {
    const series = [{}];
    const bands = [];
    chart.lines.forEach((line, index) => {
      const isSample = line.track !== undefined;
      series.push({
        label: line.name,
        stroke: color(`--line-${line.tone ?? index}`),
        width: 1.3,
        points: { show: false },
        // A sample speaks for the time before it.
        ...(isSample ? { paths: uPlot.paths.stepped({ align: -1 }) } : {}),
      });
    });
    for (const area of chart.areas) {
      const low = series.length;
      series.push({ label: `${area.of} low`, width: 0 }, { label: `${area.of} high`, width: 0 });
      bands.push({ series: [low + 1, low], fill: color(`--${area.of}`) });
    }
    return { series, bands };
  };

  // The values under the cursor; of many devices the lowest and the highest.
  const readout = (chart, data, at) => {
    const names = new Map();
    chart.lines.forEach((line, index) => {
      // Devices are sampled at their own times, and lanes have steps of their own: what holds is the next value.
      const column = data[1 + index];
      let next = at;
      while (next < column.length && column[next] === undefined) next += 1;
      const value = column[next];
      if (value === null || value === undefined) return;
      names.set(line.name, [...(names.get(line.name) ?? []), value]);
    });
    return [...names].map(([name, values]) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return low === high
        ? `${name} ${low} ${chart.unit}`
        : `${name} ${low} to ${high} ${chart.unit} (${values.length} GPUs)`;
    });
  };

  const axesOf = () => {
    const axis = {
      stroke: color('--soft'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    return [
      {
        ...axis,
        space: 80,
        values: (_, splits) => {
          const isLong = view.max - view.min > 86400;
          const isFine = splits.some((at) => at % 60 !== 0);
          const isFinest = splits.some((at) => at % 1 !== 0);
          return splits.map((at) =>
            isLong
              ? clock(at).slice(0, 11)
              : isFinest
                ? `${clock(at)}.${Math.round((at % 1) * 10)}`
                : isFine
                  ? clock(at)
                  : clock(at).slice(0, -3),
          );
        },
      },
      { ...axis, size: 52 },
    ];
  };

  const setView = (min, max) => {
    const middle = (min + max) / 2;
    const half = Math.max(SHOWN_MIN, max - min) / 2;
    view = { min: Math.max(told.from, middle - half), max: Math.min(told.to, middle + half) };
    for (const plot of plots)
      if (plot.scales.x.min !== view.min || plot.scales.x.max !== view.max) plot.setScale('x', view);
    comeCloser();
  };

  const draw = (chart) => {
    const figure = document.getElementById(`plot-${chart.id}`);
    if (figure === null) return;
    const whole = told.charts.find(({ id }) => id === chart.id);
    const [canvas, still, output] = [
      figure.querySelector('.canvas'),
      figure.querySelector('.still'),
      figure.querySelector('output'),
    ];
    canvas.hidden = false;
    const plot = new uPlot(
      {
        width: canvas.clientWidth,
        height: whole.height,
        ...seriesOf(chart),
        legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
        scales: { x: { ...view }, y: { range: [0, Math.max(whole.top, chart.top ?? 0)] } },
        axes: axesOf(),
        cursor: {
          sync: { key: 'job' },
          drag: { x: true, y: false, setScale: true },
          // All of the job's time, which is more than that of its samples.
          bind: { dblclick: () => () => setView(told.from, told.to) },
        },
        hooks: {
          drawClear: [behind],
          draw: [limitOf(whole.limit)],
          setCursor: [
            ({ cursor, data }) => {
              const at = cursor.idx;
              output.textContent =
                at === null || at === undefined
                  ? ''
                  : `${clock(data[0][at])} · ${readout(chart, data, at).join(' · ')}`;
            },
          ],
          setScale: [
            (self, key) => {
              const { min, max } = self.scales.x;
              if (key === 'x' && plots.includes(self) && (min !== view.min || max !== view.max))
                setView(min, max);
            },
          ],
        },
      },
      tableOf(chart),
      canvas,
    );
    still.hidden = true;
    plots.push(plot);
  };

  const drawAll = () => {
    for (const plot of plots.splice(0)) plot.destroy();
    for (const { id } of told.charts) {
      const chart = shown.charts.find((one) => one.id === id);
      const figure = document.getElementById(`plot-${id}`);
      if (chart === undefined) figure.querySelector('output').textContent = 'nothing is known of this time';
      else draw(chart);
    }
  };

  const show = (data, sentence) => {
    said.textContent = sentence;
    if (shown === data) return;
    shown = data;
    drawAll();
  };

  const holds = ({ from, to }) => from <= view.min + 1e-6 && to >= view.max - 1e-6;
  const depthOf = (data) =>
    data.times === undefined
      ? 'shorter steps of this time'
      : `the samples themselves, of ${new Set(data.charts.flatMap(({ lines }) => lines.map(({ device }) => device))).size} GPUs`;

  let asked = new AbortController();
  let pause;
  /** Of what is known without asking the closest that holds all that is on the screen. */
  const comeCloser = () => {
    clearTimeout(pause);
    asked.abort();
    const step = Math.min(...told.charts.map(({ lines }) => lines[0].step));
    const isEnough = (view.max - view.min) / step >= STEPS_ENOUGH;
    const window = told.windows.find(holds);
    if (isEnough || (told.url === undefined && window === undefined)) return show(told, '');
    if (window !== undefined) return show(window, depthOf(window));
    // Samples that are there already are as close as it gets.
    if (shown.times !== undefined && holds(shown)) return;
    said.textContent = 'reading closer…';
    pause = setTimeout(() => void ask(view), PAUSE_MS);
  };

  const ask = async ({ min, max }) => {
    asked = new AbortController();
    const { signal } = asked;
    const query = `from=${Math.floor(min * 1e6)}&to=${Math.ceil(max * 1e6)}`;
    try {
      const answer = await fetch(`${told.url}${told.url.includes('?') ? '&' : '?'}${query}`, { signal });
      const data = await answer.json();
      if (signal.aborted) return;
      if (answer.ok) show(data, depthOf(data));
      else show(told, `the store does not tell closer: ${data.error?.message ?? answer.status}`);
    } catch (thrown) {
      if (!signal.aborted) show(told, `the server does not tell closer: ${thrown.message}`);
    }
  };

  // On a narrow screen the still picture is lower than a plot can be.
  for (const chart of told.charts) {
    const still = document.getElementById(`plot-${chart.id}`).querySelector('.still');
    chart.height = Math.max(130, still.getBoundingClientRect().height);
  }
  drawAll();
  const moves = {
    closer: (from, length) => [from + length / 4, from + (3 * length) / 4],
    wider: (from, length) => [from - length / 2, from + (3 * length) / 2],
    earlier: (from, length) => [from - length / 2, from + length / 2],
    later: (from, length) => [from + length / 2, from + (3 * length) / 2],
    all: () => [told.from, told.to],
  };
  for (const button of document.querySelectorAll('button.zoom'))
    button.addEventListener('click', () => {
      const { move, from, to } = button.dataset;
      if (move === undefined) setView(Number(from), Number(to));
      else setView(...moves[move](view.min, view.max - view.min));
    });
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  window.addEventListener('resize', () => {
    for (const plot of plots)
      plot.setSize({ width: plot.root.parentElement.clientWidth, height: plot.height });
  });
})();
