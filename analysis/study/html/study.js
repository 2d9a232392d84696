// Draws the charts of `scsim study`, with the means of charts.js.
(function () {
  'use strict';
  const {data, draw, percent, seconds, short, quiet, colours, lineLegend} = window.scsim;
  const {charts, pareto} = data.study;
  const text = {s: seconds, '%': percent, '': (x) => (x >= 1000 ? x.toLocaleString('en') : short(x))};
  const dashes = [[], [6, 3], [2, 3]];

  // Places on a numeric axis are to scale, or to the logarithm where they span more than a decade.
  for (const each of charts) {
    draw(each.id, each.lines.every((line) => line.values.every((y) => y === null)), () => {
      const numeric = each.places.length > 0;
      const least = Math.min(...each.places), most = Math.max(...each.places);
      const log = numeric && least > 0 && most > 10 * least;
      const show = text[each.unit];
      const sets = each.lines.map((line, i) => ({
        label: line.name, borderWidth: 2, pointRadius: 3, spanGaps: true,
        borderColor: colours[i % colours.length], backgroundColor: colours[i % colours.length],
        borderDash: dashes[Math.floor(i / colours.length) % dashes.length],
        data: line.values.map((y, k) => ({x: numeric ? each.places[k] : each.labels[k], y}))}));
      const name = (x) => {
        const k = each.places.findIndex((place) => Math.abs(place - x) <= 1e-9 * Math.abs(x));
        return numeric ? (k < 0 ? '' : each.labels[k]) : undefined;
      };
      const x = numeric
        ? {type: log ? 'logarithmic' : 'linear',
           afterBuildTicks: (axis) => { axis.ticks = each.places.map((value) => ({value})); },
           ticks: {maxRotation: 0, callback: (value) => name(value)}}
        : {type: 'category', labels: each.labels};
      return {type: 'line', data: {datasets: sets}, options: {
        interaction: {mode: 'nearest', intersect: false},
        scales: {x: {...x, title: {display: true, text: each.across}},
                 y: {beginAtZero: true, ticks: {callback: (y) => show(Number(y))}}},
        plugins: {legend: {display: sets.length > 1, labels: lineLegend}, tooltip: {callbacks: {
          title: (items) => each.across + ' ' + each.labels[items[0].dataIndex],
          label: (item) => item.dataset.label + ': ' + show(item.parsed.y)}}}}};
    });
  }

  if (!pareto) return;
  draw('study_pareto', pareto.points.length === 0, () => {
    const front = pareto.points.filter((p) => p.front).sort((a, b) => a.x - b.x);
    const axis = (of) => ({title: {display: true, text: of.name}, ticks: {callback: (v) => text[of.unit](Number(v))}});
    return {type: 'scatter', data: {datasets: [
      {label: 'front', data: front, showLine: true, borderColor: colours[0], backgroundColor: colours[0],
       borderWidth: 2, pointRadius: 4},
      {label: 'others', data: pareto.points.filter((p) => !p.front), backgroundColor: quiet, pointRadius: 3}]},
      options: {scales: {x: axis(pareto.x), y: axis(pareto.y)},
        plugins: {tooltip: {callbacks: {label: (item) => item.raw.name + ': ' + text[pareto.x.unit](item.parsed.x) +
          ', ' + text[pareto.y.unit](item.parsed.y)}}}}};
  });
})();
