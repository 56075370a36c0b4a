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

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const two = (number) => String(number).padStart(2, '0');
  const clock = (seconds) => {
    const date = new Date(seconds * 1000);
    const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
    return told.to - told.from > 86400 ? `${date.toISOString().slice(5, 10)} ${time}` : time;
  };

  // Lines of several lanes have times of their own.
  const tableOf = (chart) => {
    const tables = [];
    chart.lines.forEach((line, index) => {
      const times = line.values.map((_, step) => line.from + (step + 0.5) * line.step);
      const areas = index === 0 ? chart.areas.flatMap((area) => [area.low, area.high]) : [];
      tables.push([times, line.values, ...areas]);
    });
    return uPlot.join(tables);
  };

  const behind = (plot) => {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    const x = (seconds) => plot.valToPos(seconds, 'x', true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = color('--soft');
    for (const [from, to] of told.gaps) ctx.fillRect(x(from), top, Math.max(1, x(to) - x(from)), height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = color('--bad');
    for (const [at] of told.events) ctx.fillRect(x(at), top, 1.5, height);
    ctx.restore();
  };

  const limitOf = (chart) => (plot) => {
    if (chart.limit === undefined) return;
    const { ctx } = plot;
    const { left, width } = plot.bbox;
    const y = plot.valToPos(chart.limit, 'y', true);
    ctx.save();
    ctx.strokeStyle = color('--bad');
    ctx.setLineDash([5, 4]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.restore();
  };

  const plots = [];
  const draw = (chart) => {
    const figure = document.getElementById(`plot-${chart.id}`);
    const [canvas, still, output] = [
      figure.querySelector('.canvas'),
      figure.querySelector('.still'),
      figure.querySelector('output'),
    ];
    // On a narrow screen the still picture is lower than a plot can be.
    const height = Math.max(130, still.getBoundingClientRect().height);
    const table = tableOf(chart);
    const series = [{}];
    const bands = [];
    chart.lines.forEach((line, index) => {
      series.push({
        label: line.name,
        stroke: color(`--line-${index}`),
        width: 1.3,
        points: { show: false },
      });
      if (index > 0) return;
      for (const area of chart.areas) {
        const low = series.length;
        series.push({ label: `${area.of} low`, width: 0 }, { label: `${area.of} high`, width: 0 });
        bands.push({ series: [low + 1, low], fill: color(`--${area.of}`) });
      }
    });
    // What is beside the first line comes behind it in the table.
    const place = (index) => (index === 0 ? 1 : 1 + index + 2 * chart.areas.length);
    const axis = {
      stroke: color('--soft'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    canvas.hidden = false;
    const plot = new uPlot(
      {
        width: canvas.clientWidth,
        height,
        series,
        bands,
        legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
        scales: { x: { min: told.from, max: told.to }, y: { range: [0, chart.top] } },
        axes: [
          {
            ...axis,
            space: 80,
            values: (_, splits) => {
              const isLong = told.to - told.from > 86400;
              const isFine = splits.some((at) => at % 60 !== 0);
              return splits.map((at) =>
                isLong ? clock(at).slice(0, 11) : isFine ? clock(at) : clock(at).slice(0, 5),
              );
            },
          },
          { ...axis, size: 52 },
        ],
        cursor: {
          sync: { key: 'job' },
          drag: { x: true, y: false, setScale: true },
          // All of the job's time, which is more than that of its samples.
          bind: { dblclick: (self) => () => self.setScale('x', { min: told.from, max: told.to }) },
        },
        hooks: {
          drawClear: [behind],
          draw: [limitOf(chart)],
          setCursor: [
            ({ cursor, data }) => {
              const at = cursor.idx;
              if (at === null || at === undefined) return (output.textContent = '');
              const values = chart.lines.map(({ name }, index) => {
                const value = data[place(index)][at];
                return value === null || value === undefined ? undefined : `${name} ${value} ${chart.unit}`;
              });
              output.textContent = `${clock(data[0][at])} · ${values.filter(Boolean).join(' · ')}`;
            },
          ],
          setScale: [
            (self, key) => {
              if (key !== 'x') return;
              const { min, max } = self.scales.x;
              for (const other of plots)
                if (other !== self && (other.scales.x.min !== min || other.scales.x.max !== max))
                  other.setScale('x', { min, max });
            },
          ],
        },
      },
      table,
      canvas,
    );
    still.hidden = true;
    plots.push(plot);
  };

  const drawAll = () => {
    for (const plot of plots.splice(0)) plot.destroy();
    for (const still of document.querySelectorAll('.still')) still.hidden = false;
    told.charts.forEach(draw);
  };
  drawAll();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  window.addEventListener('resize', () => {
    for (const plot of plots)
      plot.setSize({ width: plot.root.parentElement.clientWidth, height: plot.height });
  });
})();
