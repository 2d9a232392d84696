// Draws the charts of the store's sections, with the means of charts.js.
(function () {
  'use strict';
  const {data, draw, seconds, percent, tick, timeTicks, quiet, dark} = window.scsim;
  const store = data.store;
  const colours = dark
    ? ['#7fb0e6', '#f2a65a', '#7fd1a0', '#e58fb1', '#c3a6f0', '#d8c760', '#6fc9cf', '#8b95a5']
    : ['#2f6db5', '#d9822b', '#2f9e62', '#c2487a', '#7d57c1', '#b39a1f', '#2a97a0', '#7b8694'];
  const colour = (i) => colours[i % colours.length];
  const three = (x) => String(Number(x.toPrecision(3)));
  function bytes(x) {
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
    let unit = 0;
    for (; x >= 1000 && unit + 1 < units.length; ++unit) x /= 1000;
    return three(x) + ' ' + units[unit];
  }
  const sum = (values) => values.reduce((a, b) => a + b, 0);

  // Horizontal bars: one a row, a colour a part.
  function bars(id, parts, rows, text, stacked, max) {
    draw(id, rows.length === 0, () => {
      const height = stacked ? 26 : 14 + 14 * parts.length;
      document.getElementById(id).parentElement.style.height = Math.max(150, 90 + height * rows.length) + 'px';
      return {type: 'bar', data: {
        labels: rows.map((row) => row.name),
        datasets: parts.map((name, p) => ({label: name, backgroundColor: colour(p), maxBarThickness: 26,
          data: rows.map((row) => row.parts[p])}))
          .filter((set) => !stacked || set.data.some((value) => value > 0)),
      }, options: {
        indexAxis: 'y',
        scales: {x: {stacked, max, ticks: {maxRotation: 0, autoSkipPadding: 18, callback: (v) => text(Number(v))}},
                 y: {stacked, ticks: {autoSkip: false}}},
        plugins: {legend: {display: parts.length > 1},
          tooltip: {callbacks: {label: (item) => item.dataset.label + ': ' + text(item.parsed.x)}}},
      }};
    });
  }
  bars('store_tokens', store.tokens.parts, store.tokens.rows, percent, true, 1);
  const signed = (x) => (x < 0 ? '-' : '') + seconds(Math.abs(x));
  bars('store_ttft', store.ttft.parts, store.ttft.rows, signed, false);
  const of = (pick) => store.tiers.map((tier) => ({name: tier.name, parts: pick(tier)}));
  bars('store_gpu', ['GPU time avoided'], of((tier) => [tier.gpu_seconds]), seconds, false);
  const priced = store.tiers.some((tier) => tier.price !== null);
  bars('store_dollars', priced ? ['avoided', 'price of the tier'] : ['avoided'],
    of((tier) => (priced ? [tier.dollars, tier.price] : [tier.dollars])), (x) => '$' + three(x), false);
  bars('store_links', ['bytes'], store.link_bytes, bytes, false);
  bars('store_charged', store.charged.parts, store.charged.rows, three, true);

  function overTime(id, chart, stacked, y, text, extra) {
    const points = chart.rows.length === 0 ? 0 : chart.rows[0].parts.length;
    draw(id, points === 0, () => ({
      type: 'line', data: {datasets: chart.rows.map((row, i) => ({
        label: row.name, borderColor: colour(i), backgroundColor: colour(i) + 'aa', pointRadius: 0,
        borderWidth: stacked ? 0.5 : 1.4, fill: stacked ? (i === 0 ? 'origin' : '-1') : false,
        stack: 'held', data: row.parts.map((value, k) => ({x: (k + 0.5) * chart.point_seconds, y: value})),
      })).concat(extra(points * chart.point_seconds))},
      options: {
        parsing: false,
        interaction: {mode: 'index', intersect: false},
        scales: {x: {type: 'linear', min: 0, max: points * chart.point_seconds, afterBuildTicks: timeTicks,
                     ticks: {maxRotation: 0, callback: (v) => seconds(Number(v))}},
                 y: {stacked, min: 0, ...y}},
        plugins: {legend: {labels: {usePointStyle: true, pointStyle: stacked ? 'rect' : 'line'}},
          tooltip: {filter: (item) => item.datasetIndex < chart.rows.length, callbacks: {
            title: (items) => (items.length > 0 ? seconds(items[0].parsed.x) : ''),
            label: (item) => item.dataset.label + ': ' + text(item.parsed.y)}}},
      },
    }));
  }
  store.tiers.forEach((tier, t) => {
    const [size, unit] = tier.occupancy.capacity >= 1024 ? [1024, ' TiB'] : [1, ' GiB'];
    const capacity = tier.occupancy.capacity / size, text = (x) => three(x) + unit;
    const held = {...tier.occupancy, rows: tier.occupancy.rows.map(
      (row) => ({name: row.name, parts: row.parts.map((gib) => gib / size)}))};
    overTime('store_occupancy_' + t, held, true, {suggestedMax: capacity * 1.05, ticks: tick(text)}, text,
      (end) => [{label: 'capacity', borderColor: quiet, borderDash: [5, 4], borderWidth: 1.4, pointRadius: 0,
        fill: false, stack: 'capacity', data: [{x: 0, y: capacity}, {x: end, y: capacity}]}]);
  });
  overTime('store_rates', store.link_rates, false, {ticks: tick(percent)}, percent, () => []);

  // How long blocks stay, by the reason they leave, beside the time between two uses: where the line
  // lies right of the bars, blocks leave before they are wanted again.
  const reasons = ['evicted', 'resident at end', 'expired', 'moved', 'over quota'];
  store.tiers.forEach((tier, t) => {
    const {labels, rows, gaps} = tier.lifetimes;
    const blocks = sum(rows.map((row) => sum(row.parts))), uses = sum(gaps);
    draw('store_lifetimes_' + t, blocks + uses === 0, () => ({
      type: 'bar', data: {labels, datasets: [{
        type: 'line', label: 'time between uses', borderColor: quiet, backgroundColor: quiet, borderWidth: 1.6,
        borderDash: [5, 4], pointRadius: 2, stack: 'uses', data: gaps.map((count) => (uses > 0 ? count / uses : 0)),
      }].concat(rows.map((row) => ({type: 'bar', label: row.name, stack: 'blocks',
        backgroundColor: colour((reasons.indexOf(row.name) + colours.length) % colours.length),
        data: row.parts.map((count) => count / blocks)})))},
      options: {
        scales: {x: {stacked: true, ticks: {maxRotation: 60, autoSkipPadding: 6}},
                 y: {stacked: true, min: 0, ticks: tick(percent)}},
        plugins: {tooltip: {callbacks: {label: (item) => item.dataset.label + ': ' + percent(item.parsed.y)}}},
      },
    }));
  });
})();
