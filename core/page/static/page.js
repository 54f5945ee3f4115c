// postrider's page: numbers while they change, and the curves of the last hour. Everything is there without it.
'use strict';
(() => {
	const said = document.getElementById('live');
	const hour = document.getElementById('hour');
	const sentence = document.querySelector('main > .say[data-sentence]');
	const POINT_S = 10, KEPT = 3600 / POINT_S;
	let plots = [], data = null, last = 0;

	const cells = new Map();
	for (const cell of document.querySelectorAll('[data-live]')) {
		const key = cell.dataset.live;
		if (!key) continue;
		if (!cells.has(key)) cells.set(key, []);
		cells.get(key).push(cell);
	}

	const say = (text) => {
		if (said && said.textContent !== text) said.textContent = text;
	};

	const show = (texts) => {
		for (const [key, text] of Object.entries(texts)) {
			for (const cell of cells.get(key) || []) {
				if (cell.textContent !== text) cell.textContent = text;
			}
		}
	};

	// A word beside its colour.
	const TONES = ['well', 'attention', 'wrong', 'quiet'];
	const tone = (element, name, text) => {
		if (!element || !TONES.includes(name)) return;
		element.classList.remove(...TONES);
		element.classList.add(name);
		if (element.textContent !== text) element.textContent = text;
	};
	// False: one of them has no row, since it had neither mail nor connections when the view was loaded.
	const turn = (states) => {
		let known = true;
		for (const [name, [colour, word]] of Object.entries(states)) {
			known &&= cells.has('state ' + name);
			for (const cell of cells.get('state ' + name) || []) tone(cell.firstElementChild, colour, word);
		}
		return known;
	};

	// ---- curves -------------------------------------------------------------------------------------------------

	const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

	const curve = (title, series) => new uPlot({
		width: hour.clientWidth,
		height: 180,
		cursor: { drag: { x: false, y: false } },
		tzDate: (t) => uPlot.tzDate(new Date(t * 1000), 'Etc/UTC'),
		scales: {
			// Not what the library says: of one point it makes a thousand days.
			x: { range: () => {
				const end = data.t.length ? data.t[data.t.length - 1] : Date.now() / 1000;
				return [end - 3600, end];
			} },
			y: { range: (plot, low, high) => [0, Math.max(1, high * 1.1)] },
		},
		axes: ['x', 'y'].map((side) => ({
			stroke: colour('--soft'),
			grid: { stroke: colour('--line'), width: 1 },
			ticks: { stroke: colour('--line'), width: 1 },
			size: side === 'y' ? 64 : 50,
		})),
		series: [{ label: 'Time (UTC)', value: '{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}' }, ...series.map(([label, name]) => ({
			label, stroke: colour(name), width: 2, points: { show: false },
			value: (plot, v) => v === null ? '-' : v < 10 ? v.toFixed(1) : Math.round(v).toLocaleString('en'),
		}))],
	}, [data.t, ...series.map(([, , key]) => data[key])], hour);

	const draw = () => {
		for (const plot of plots) plot.destroy();
		plots = [];
		if (!data || !window.uPlot || hour.clientWidth < 50) return;
		plots = [
			curve('rates', [['In, a second', '--in', 'in'], ['Out, a second', '--out', 'out']]),
			curve('queued', [['Messages here', '--queued', 'queued']]),
		];
		plots.forEach((plot, i) => {
			const canvas = plot.root.querySelector('canvas');
			canvas.setAttribute('role', 'img');
			canvas.setAttribute('aria-label', i ? 'Messages here in the last hour' : 'Mail in and out in the last hour');
		});
	};

	const add = (numbers) => {
		if (!data || numbers.t - last < POINT_S) return;
		last = numbers.t;
		for (const key of ['t', 'in', 'out', 'queued']) {
			data[key].push(numbers[key]);
			if (data[key].length > KEPT) data[key].shift();
		}
		if (plots.length === 2) {
			plots[0].setData([data.t, data.in, data.out]);
			plots[1].setData([data.t, data.queued]);
		}
	};

	const begin = async () => {
		const answer = await fetch('/page/hour', { credentials: 'same-origin' });
		if (!answer.ok) return;
		data = await answer.json();
		last = data.t.length ? data.t[data.t.length - 1] : 0;
		draw();
		let wait = 0;
		addEventListener('resize', () => {
			clearTimeout(wait);
			wait = setTimeout(draw, 150);
		});
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
	};

	// ---- the stream -----------------------------------------------------------------------------------------------

	const watch = () => {
		const stream = new EventSource('/page/stream');
		stream.onmessage = (event) => {
			const news = JSON.parse(event.data);
			show(news.texts);
			const known = turn(news.states);
			tone(sentence, news.sentence[0], news.sentence[1]);
			add(news.numbers);
			say(known ? 'live' : 'live; there are more destinations: reload to see them');
		};
		stream.onerror = () => say(stream.readyState === EventSource.CLOSED
			? 'not live: reload for newer numbers' : 'not live: trying again');
		addEventListener('pagehide', () => stream.close());
	};

	if (hour) begin().catch(() => {});
	if (cells.size && window.EventSource) watch();

	// ---- tables on a narrow screen: a row is a block, and each of its cells says what it is ------------------------

	for (const table of document.querySelectorAll('.wide > table')) {
		const heads = [...table.querySelectorAll('thead tr > *')].map((cell) => cell.textContent.trim());
		for (const row of table.tBodies[0].rows) {
			[...row.cells].forEach((cell, i) => {
				if (heads[i]) cell.dataset.of = heads[i];
			});
		}
		table.classList.add('stacks');
	}

	// ---- what is being looked at ----------------------------------------------------------------------------------

	const again = document.querySelector('[data-again]');
	if (again) setTimeout(() => location.reload(), Number(again.dataset.again));

	// ---- a list's box for all of it -------------------------------------------------------------------------------

	const all = document.getElementById('all');
	if (all) {
		all.hidden = false;
		all.addEventListener('change', () => {
			for (const box of document.querySelectorAll('input[name=id]')) box.checked = all.checked;
		});
	}
})();
