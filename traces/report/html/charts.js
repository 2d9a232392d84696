// What the charts of a report have in common, for the scripts that draw them: the data, which are the
// JSON beside them and hold all numbers, colours, numbers as text, and draw().
(function () {
  'use strict';
  const data = JSON.parse(document.getElementById('data').textContent);
  const dark = window.matchMedia('(prefers-color-scheme: dark)').matches;
  const quiet = dark ? '#9aa5b4' : '#5b6675';
  const line = dark ? '#2d3643' : '#dde2e8';
  const colours = dark ? ['#7fb0e6', '#f2a65a', '#7fd1a0', '#e58fb1', '#c3a6f0']
                       : ['#2f6db5', '#d9822b', '#2f9e62', '#c2487a', '#7d57c1'];

  Chart.defaults.color = quiet;
  Chart.defaults.borderColor = line;
  Chart.defaults.font.family = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.plugins.legend.labels.boxWidth = 12;

  const short = (x) => String(Number(x.toPrecision(3)));
  function seconds(x) {
    if (x === 0) return '0 s';
    if (x < 1e-3) return short(x * 1e6) + ' us';
    if (x < 1) return short(x * 1e3) + ' ms';
    if (x < 60) return short(x) + ' s';
    if (x < 3600) return short(x / 60) + ' min';
    if (x < 172800) return short(x / 3600) + ' h';
    return short(x / 86400) + ' d';
  }
  const percent = (x) => String(Number((100 * x).toFixed(1))) + ' %';
  const tick = (text) => ({callback: (value) => text(Number(value))});
  // Labels of an axis of time: at most six, whole seconds, minutes, hours or days apart.
  function timeTicks(axis) {
    const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    const day = 86400;
    if (axis.max <= 2) return;
    const step = steps.find((each) => axis.max / each <= 5) || day * Math.ceil(axis.max / 5 / day);
    axis.ticks = [];
    for (let value = 0; value <= axis.max; value += step) axis.ticks.push({value});
  }
  const lineLegend = {usePointStyle: true, pointStyle: 'line'};

  // A chart whose data is empty says so.
  function draw(id, empty, config) {
    const canvas = document.getElementById(id);
    if (!canvas) return;
    if (empty) {
      const box = canvas.parentElement;
      box.textContent = 'nothing to draw';
      box.style.height = 'auto';
      return;
    }
    new Chart(canvas, config());
  }

  window.scsim = {data, draw, seconds, percent, short, tick, timeTicks, quiet, dark, colours, lineLegend};
})();
