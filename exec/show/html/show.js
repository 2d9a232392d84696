// Draws the charts of a calibration: a score by turn as bars, seconds by length as lines. Which there
// are, and their values, is in the data.
(function () {
  'use strict';
  const {data, draw, seconds, short, tick, colours, lineLegend} = window.scsim;
  data.charts.forEach((chart) => draw(chart.id, chart.sets.length === 0, () => {
    const isLine = chart.type === 'line';
    const sets = chart.sets.map((set, i) => {
      const colour = colours[i % colours.length];
      return {label: set.name, data: set.values, backgroundColor: colour, borderColor: colour,
        borderWidth: isLine ? 2 : 0, borderDash: i < colours.length ? [] : [5, 4], spanGaps: true};
    });
    return {type: chart.type, data: {labels: chart.labels, datasets: sets}, options: {
      plugins: {legend: {labels: isLine ? lineLegend : {}}},
      scales: {
        x: {title: {display: true, text: chart.x}},
        y: {beginAtZero: true, max: isLine ? undefined : 1, title: {display: true, text: chart.y},
            ticks: tick(isLine ? seconds : short)},
      },
    }};
  }));
})();
