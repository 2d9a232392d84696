// Draws the charts of report.html with the means of charts.js.
(function () {
  'use strict';
  const {data, draw, seconds, percent, short, tick, timeTicks, quiet, dark, colours, lineLegend} = window.scsim;
  const stageColours = {
    queue: '#d1605e', generation: '#4e79a7', compression: '#b07aa1', retrieval: '#76b7b2',
    loading: '#59a14f', decode: '#edc948', other: '#9c755f', idle: dark ? '#3a4453' : '#e3e7ec',
  };
  const axisSeconds = (x) => (x >= 1 && x < 9999 ? short(x) + ' s' : seconds(x));
  // Labels of a logarithmic axis: 1, 2 and 5 of each decade, or 1 alone where there are many.
  const logTick = (value, _, ticks) => {
    const decades = Math.log10(ticks[ticks.length - 1].value / ticks[0].value);
    const leading = Number(value) / 10 ** Math.floor(Math.log10(Number(value)) + 1e-9);
    return (decades > 1.6 ? [1] : [1, 2, 5]).includes(Math.round(leading)) ? axisSeconds(Number(value)) : '';
  };
  const shares = {min: 0, max: 1, ticks: {stepSize: 0.2, callback: (value) => percent(Number(value))}};

  // Distributions: share of requests within a time, on a logarithmic scale; targets are dashed.
  for (const [id, chart] of Object.entries(data.distributions)) {
    const curves = chart.curves.filter((curve) => curve.seconds.length > 0);
    draw(id, curves.length === 0, () => {
      const smallest = Math.min(...curves.map((c) => c.seconds.find((s) => s > 0) || Infinity));
      const floor = Number.isFinite(smallest) ? smallest : 1e-6;
      const sets = curves.map((curve, i) => ({
        label: curve.name, borderColor: colours[i % colours.length], borderWidth: i === 0 ? 2.5 : 1.2,
        pointRadius: 0,
        data: curve.seconds.map((s, k) => ({x: Math.max(s, floor), y: curve.shares[k]})),
      }));
      for (const target of chart.targets) {
        sets.push({label: 'target of ' + target.name, borderColor: quiet, borderDash: [5, 4], borderWidth: 1.2,
          pointRadius: 0, data: [{x: target.seconds, y: 0}, {x: target.seconds, y: 1}]});
      }
      return {type: 'line', data: {datasets: sets}, options: {
        parsing: false,
        interaction: {mode: 'nearest', intersect: false},
        scales: {x: {type: 'logarithmic', ticks: {maxRotation: 0, autoSkip: false, callback: logTick}},
                 y: shares},
        plugins: {legend: {labels: lineLegend}, tooltip: {callbacks: {label: (item) =>
          item.dataset.label + ': ' + percent(item.parsed.y) + ' within ' + seconds(item.parsed.x)}}},
      }};
    });
  }

  // Over time: the mean engine as a line, the lowest and the highest as a band around it.
  const timeline = data.timeline;
  const at = (values) => values.map((y, i) => ({x: (i + 0.5) * timeline.point_seconds, y}));
  function bands(names) {
    const sets = [];
    names.forEach(([label, series], i) => {
      const colour = colours[i % colours.length];
      if (timeline.engines > 1) {
        sets.push({label: label + ', lowest engine', data: at(series.low), borderWidth: 0, pointRadius: 0, band: true});
        sets.push({label: label + ', highest engine', data: at(series.high), borderWidth: 0, pointRadius: 0,
          backgroundColor: colour + '33', fill: '-1', band: true});
      }
      sets.push({label, data: at(series.mean), borderColor: colour, backgroundColor: colour, borderWidth: 1.6, pointRadius: 0});
    });
    return sets;
  }
  // The measured window, shaded outside.
  const windowShade = {id: 'window', beforeDatasetsDraw(chart) {
    const {ctx, chartArea, scales} = chart;
    ctx.save();
    ctx.fillStyle = dark ? '#ffffff0d' : '#0000000a';
    const left = Math.max(chartArea.left, Math.min(chartArea.right, scales.x.getPixelForValue(timeline.window[0])));
    const right = Math.max(chartArea.left, Math.min(chartArea.right, scales.x.getPixelForValue(timeline.window[1])));
    ctx.fillRect(chartArea.left, chartArea.top, left - chartArea.left, chartArea.bottom - chartArea.top);
    ctx.fillRect(right, chartArea.top, chartArea.right - right, chartArea.bottom - chartArea.top);
    ctx.restore();
  }};
  function overTime(id, names, y) {
    const points = timeline.running.mean.length;
    draw(id, points === 0, () => ({
      type: 'line', data: {datasets: bands(names)}, plugins: [windowShade], options: {
        parsing: false,
        interaction: {mode: 'index', intersect: false},
        scales: {x: {type: 'linear', min: 0, max: points * timeline.point_seconds,
                     
                     afterBuildTicks: timeTicks, ticks: {maxRotation: 0, callback: (v) => seconds(Number(v))}}, y},
        plugins: {
          legend: {labels: {...lineLegend, filter: (item, all) => !all.datasets[item.datasetIndex].band}},
          tooltip: {callbacks: {title: (items) => seconds(items[0].parsed.x)}},
        },
      },
    }));
  }
  overTime('over_time_requests', [['running', timeline.running], ['waiting', timeline.waiting]], {min: 0});
  overTime('over_time_blocks', [['used by running requests', timeline.used], ['free, but findable', timeline.cached]],
    shares);
  overTime('over_time_busy', [['busy', timeline.busy]], shares);

  // Stacked bars: one bar a row, one colour a stage.
  function stages(id, chart, text, max) {
    const used = chart.stages.map((_, s) => chart.rows.some((row) => row.parts[s] > 0));
    draw(id, chart.rows.length === 0, () => {
      document.getElementById(id).parentElement.style.height = Math.max(150, 90 + 26 * chart.rows.length) + 'px';
      return {type: 'bar', data: {
        labels: chart.rows.map((row) => row.name),
        datasets: chart.stages.map((name, s) => ({
          label: name, backgroundColor: stageColours[name], maxBarThickness: 26, data: chart.rows.map((row) => row.parts[s]),
        })).filter((_, s) => used[s]),
      }, options: {
        indexAxis: 'y',
        scales: {x: {stacked: true, min: 0, max, ticks: {maxRotation: 0, autoSkipPadding: 18, callback: (v) => text(Number(v))}},
                 y: {stacked: true, ticks: {autoSkip: false}}},
        plugins: {tooltip: {callbacks: {label: (item) => item.dataset.label + ': ' + text(item.parsed.x)}}},
      }};
    });
  }
  stages('request_stages', data.request_stages, seconds, undefined);
  stages('ledger', data.ledger, percent, 1);

  const shareTooltip = {callbacks: {label: (item) => item.dataset.label + ': ' + percent(item.parsed.y)}};
  draw('turns', data.turns.names.length === 0, () => {
    const sets = [{label: 'hit ratio', data: data.turns.hits, backgroundColor: colours[0], maxBarThickness: 34}];
    if (data.turns.within.length > 0) {
      sets.push({label: 'within SLO', data: data.turns.within, backgroundColor: colours[2], maxBarThickness: 34});
    }
    return {type: 'bar', data: {labels: data.turns.names.map((name) => 'turn ' + name), datasets: sets}, options: {
      scales: {y: shares}, plugins: {tooltip: shareTooltip}}};
  });

  const wantedLine = {id: 'wanted', afterDatasetsDraw(chart) {
    const {ctx, chartArea, scales} = chart;
    const y = scales.y.getPixelForValue(data.slos.wanted);
    ctx.save();
    ctx.strokeStyle = quiet;
    ctx.setLineDash([5, 4]);
    ctx.beginPath();
    ctx.moveTo(chartArea.left, y);
    ctx.lineTo(chartArea.right, y);
    ctx.stroke();
    ctx.restore();
  }};
  draw('slos', data.slos.names.length === 0, () => ({
    type: 'bar', plugins: [wantedLine], data: {labels: data.slos.names, datasets: ['ttft', 'tpot', 'e2e', 'all']
      .filter((key) => data.slos[key].some((share) => share !== null))
      .map((key, i) => ({label: key === 'all' ? 'all targets' : key.toUpperCase(), data: data.slos[key],
        backgroundColor: colours[i], maxBarThickness: 34}))},
    options: {scales: {y: shares}, plugins: {tooltip: shareTooltip}},
  }));

  draw('lifetimes', data.lifetimes.rows.length === 0, () => ({
    type: 'bar', data: {labels: data.lifetimes.labels, datasets: data.lifetimes.rows
      .filter((row) => row.parts.some((count) => count > 0))
      .map((row, i) => ({label: row.name, data: row.parts, backgroundColor: colours[i]}))},
    options: {scales: {x: {stacked: true, ticks: {maxRotation: 60, autoSkipPadding: 6}},
                       y: {stacked: true, ticks: tick((count) => count.toLocaleString('en'))}}},
  }));
})();
