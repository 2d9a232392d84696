// Draws the charts of `scsim cache`, with the means of charts.js.
(function () {
  'use strict';
  const {data, draw, percent, quiet, colours, lineLegend} = window.scsim;
  const cache = data.cache;
  const shapes = ['circle', 'triangle', 'rect', 'rectRot', 'star', 'cross', 'crossRot'];
  const count = (x) => x.toLocaleString('en');
  const points = (capacities, shares) => capacities.map((x, i) => ({x, y: shares[i]}));

  // LRU as a line, other policies as points, what an unlimited cache finds as a dashed line.
  function hits(id, which) {
    draw(id, cache.lru.capacity.length === 0, () => {
      document.getElementById(id).parentElement.style.height = 320 + 6 * cache.policies.length + 'px';
      const lru = points(cache.lru.capacity, cache.lru[which]);
      const sets = [{label: cache.lru.name, data: lru, borderColor: colours[0], backgroundColor: colours[0],
        borderWidth: 2, pointRadius: 0, pointStyle: 'line'}];
      cache.policies.forEach((policy, i) => {
        const colour = colours[(i + 1) % colours.length];
        sets.push({label: policy.name, data: points(policy.capacity, policy[which]), showLine: false,
          borderColor: colour, backgroundColor: colour, pointRadius: 4, pointStyle: shapes[i % shapes.length]});
      });
      const first = lru[0].x, last = Math.max(lru[lru.length - 1].x, ...cache.policies.flatMap((p) => p.capacity));
      sets.push({label: 'ideal', data: points([first, last], [cache.ideal[which], cache.ideal[which]]),
        borderColor: quiet, borderDash: [5, 4], borderWidth: 1.4, pointRadius: 0, pointStyle: 'line'});
      return {type: 'line', data: {datasets: sets}, options: {
        parsing: false,
        interaction: {mode: 'nearest', intersect: false},
        scales: {
          x: {type: 'logarithmic', title: {display: true, text: 'capacity, blocks'},
              ticks: {maxRotation: 0, autoSkip: false,
                      callback: (x) => (Number.isInteger(Math.round(Math.log10(x) * 1e9) / 1e9) ? count(x) : '')}},
          y: {min: 0, ticks: {callback: (y) => percent(Number(y))}}},
        plugins: {legend: {labels: {...lineLegend, pointStyle: undefined}}, tooltip: {callbacks: {
          title: () => '',
          label: (item) => item.dataset.label + ': ' + percent(item.parsed.y) + ' at ' + count(item.parsed.x) + ' blocks'}}},
      }};
    });
  }
  hits('cache_blocks', 'blocks');
  hits('cache_tokens', 'tokens');
})();
