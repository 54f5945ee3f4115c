"""bench/peers/report.py - from the runs of bench/compare to tables in Markdown and plots in SVG."""

import os
import re
import shutil
import statistics
import subprocess

BEGIN, END = '<!-- bench/compare writes from here -->', '<!-- to here -->'


def runs_of(results, relay, scenario):
    return [run for run in results['runs'] if run['relay'] == relay and run['scenario'] == scenario]


def values(results, relay, scenario, key):
    return [run[key] for run in runs_of(results, relay, scenario) if run.get(key) is not None]


def median(results, relay, scenario, key):
    found = values(results, relay, scenario, key)
    return statistics.median(found) if found else None


def number(value):
    """With as many digits as mean something."""
    if value is None:
        return '-'
    if value >= 100 or value == round(value):
        return format(round(value), ',')
    if value >= 10:
        return '%.1f' % value
    return '%.2f' % value if value >= 0.1 else '%.2g' % value


def spread(found):
    """median (lowest-highest)"""
    if not found:
        return '-'
    text = number(statistics.median(found))
    return text if len(found) == 1 or min(found) == max(found) else '%s (%s-%s)' % (
        text, number(min(found)), number(max(found)))


def relays_with(results, scenario):
    return [name for name in results['relays'] if runs_of(results, name, scenario)]


def row(results, name, scenario):
    def cell(key, factor=1.0):
        return spread([value * factor for value in values(results, name, scenario, key)])
    runs = runs_of(results, name, scenario)
    if not any('rate' in run for run in runs):
        return [results['relays'][name]['title'], 'failed'] + [''] * 9
    direct = name == 'direct'
    lost, twice = (sum(run.get(key, 0) for run in runs) for key in ('lost', 'duplicates'))
    note = ''.join(' (%d %s)' % (sum(run.get(key, 0) for run in runs), text) for key, text in
                   (('refused', 'refused'), ('unacknowledged', 'unanswered'), ('bad', 'damaged'))
                   if any(run.get(key) for run in runs))
    if any('failed' in run for run in runs):
        note += ' (%d of %d runs failed)' % (sum('failed' in run for run in runs), len(runs))
    return [results['relays'][name]['title'], str(results['relays'][name]['connections']), cell('rate'),
            cell('accepted_rate'), '-' if direct else cell('cpu_us'), cell('sink_us'),
            number(median(results, name, scenario, 'flushes')),
            number(median(results, name, scenario, 'handshakes')),
            '-' if direct else number(median(results, name, scenario, 'memory') / 1e6),
            number(median(results, name, scenario, 'messages')), '%d, %d%s' % (lost, twice, note)]


HEADINGS = ['relay', 'clients', 'end to end msg/s', 'accepted msg/s', 'relay CPU us/msg', 'sink CPU us/msg',
            'flushes/msg', 'TLS handshakes', 'memory MB', 'messages', 'lost, twice']


def table(headings, rows):
    lines = ['| ' + ' | '.join(headings) + ' |', '|---' * len(headings) + '|']
    return '\n'.join(lines + ['| ' + ' | '.join(each) + ' |' for each in rows]) + '\n'


def describe(name):
    size, mode, *more = name.split('-')
    how = {'lockstep': 'clients wait for each reply', 'grouped': 'clients group MAIL RCPT DATA',
           'pipelined': 'clients pipeline, the end of a message with the next MAIL RCPT DATA',
           'chunked': 'clients send whole messages by BDAT',
           'blind': 'clients send whole messages without waiting for 354',
           'single': 'clients group MAIL RCPT DATA and connect anew for each message'}[mode]
    text = '%s KiB, %s' % (size[:-1], how)
    for each in more:
        if each.endswith('ms'):
            text += ', the next hop answers %s late' % each
        elif each.startswith('limit'):
            limit = each[len('limit'):]
            text += ', messages_per_connection is %s' % (limit if limit != '0' else '0: no limit')
        else:
            text += {'tls': ', over TLS (P-256)', 'rsa': ', over TLS (RSA-2048)', 'resume': ', sessions resumed'}[each]
    return text


def ratio(results, scenario, relay, other, key):
    """The ratio in each round that has both, because only runs close in time can be compared."""
    mine = {run['round']: run[key] for run in runs_of(results, relay, scenario) if run.get(key)}
    theirs = {run['round']: run[key] for run in runs_of(results, other, scenario) if run.get(key)}
    return spread([mine[turn] / theirs[turn] for turn in mine if turn in theirs])


def ratios(results):
    """What the project's targets are stated in: postrider by HAProxy with one thread, and by Postfix."""
    rows = []
    for scenario in results['scenarios']:
        for name in ('postrider', 'postrider-1'):
            if runs_of(results, name, scenario):
                rows.append([scenario, results['relays'][name]['title'],
                             ratio(results, scenario, name, 'haproxy', 'cpu_us'),
                             ratio(results, scenario, name, 'haproxy', 'rate'),
                             ratio(results, scenario, name, 'postfix', 'rate'),
                             ratio(results, scenario, name, 'postfix', 'cpu_us')])
    return table(['scenario', '', "CPU / HAProxy's", "rate / HAProxy's", "rate / Postfix's", "CPU / Postfix's"], rows)


def limits(results):
    """What messages_per_connection costs: each scenario with a limit by the same one without."""
    rows = []
    for scenario in results['scenarios']:
        base, _, limit = scenario.partition('-limit')
        other = base + '-limit0'
        if limit in ('', '0') or other not in results['scenarios']:
            continue
        for name in relays_with(results, scenario):
            mine = {run['round']: run['rate'] for run in runs_of(results, name, scenario) if run.get('rate')}
            free = {run['round']: run['rate'] for run in runs_of(results, name, other) if run.get('rate')}
            rows.append([base, results['relays'][name]['title'], limit,
                         spread([mine[turn] / free[turn] for turn in mine if turn in free]),
                         number(median(results, name, scenario, 'connections_out')),
                         number(median(results, name, other, 'connections_out'))])
    return table(['scenario', '', 'messages_per_connection', 'rate / that without a limit', 'connections',
                  'without a limit'], rows) if rows else ''


def markdown(results, plots):
    machine = results['machine']
    rounds = 1 + max([run['round'] for run in results['runs']], default=0)
    how = {'cgroup': 'counted by the kernel for a control group',
           'proc': 'summed up from /proc, where a process that has lost its parent is missing'}
    lines = ['Measured %s on %s, Linux %s, %d x %s, spools on %s,\nload before the start %.1f:' % (
        machine['date'], machine['system'], machine['kernel'], machine['processors'], machine['processor'],
        machine['file_system'], machine['load_before']), '', '    ' + results['command'].strip(), '',
        'Versions: ' + ', '.join('%s %s' % (each['title'].split(',')[0], each['version'])
                                 for name, each in results['relays'].items()
                                 if each['version'] and not re.search(r'-\d$', name)) + '.',
        'Medians of %d rounds (lowest-highest). Processor time is %s.' % (
            rounds, ' or '.join(how[each] for each in sorted({run['cpu_from'] for run in results['runs']
                                                              if 'cpu_from' in run}))),
        '', '### Ratios', '', ratios(results)]
    if limits(results):
        lines += ['### Connections that retire', '', limits(results)]
    for scenario in results['scenarios']:
        names = relays_with(results, scenario)
        if names:
            lines += ['### %s: %s' % (scenario, describe(scenario)), '',
                      table(HEADINGS, [row(results, name, scenario) for name in names])]
    lines += ['![%s](plots/%s)\n' % (title, name) for name, title in plots]
    return '\n'.join(lines)


PLOT = '''
set terminal svg size 1000,500 background rgb 'white' font 'sans-serif,13'
set output '%(output)s'
set title "%(title)s"
set ylabel "%(label)s"
set logscale y
set format y '%%.0f'
set grid ytics lc rgb '#dddddd'
set key outside top center horizontal
set bmargin 5
%(body)s
'''


# gnuplot's own are eight.
COLOURS = ('#9400d3', '#009e73', '#56b4e9', '#e69f00', '#f0e442', '#0072b2', '#e51e10', '#000000', '#a0522d', '#999999')


def draw(directory, name, title, label, body):
    path = os.path.join(directory, 'plots', name)
    text = PLOT % dict(output=path, title=title, label=label, body=body)
    done = subprocess.run(['gnuplot', '-'], input=text, capture_output=True, text=True)
    if done.returncode:
        print('gnuplot, %s: %s' % (name, done.stderr.strip()[-300:]))
    return done.returncode == 0


def quoted(text):
    return '"%s"' % text.replace('"', '').replace(', ', ',\\n').replace(': ', ':\\n').replace(' (', '\\n(')


def bars(results, directory, name, key, title, label):
    """Relays side by side, a bar for each scenario without a delay; lines show the lowest and the highest."""
    scenarios = [each for each in results['scenarios'] if len(each.split('-')) == 2]
    relays = [each for each in results['relays'] if any(values(results, each, s, key) for s in scenarios)
              and (key != 'cpu_us' or each != 'direct')]
    if not scenarios or not relays:
        return False
    lines = []
    for relay in relays:
        cells = [quoted(results['relays'][relay]['title'])]
        for scenario in scenarios:
            found = values(results, relay, scenario, key)
            cells += ['%g' % value for value in (statistics.median(found), min(found), max(found))] if found else [
                'NaN'] * 3
        lines.append(' '.join(cells))
    body = '$data << EOD\n%s\nEOD\n' % '\n'.join(lines)
    body += 'set style data histogram\nset style histogram errorbars gap 1 lw 1\nset style fill solid 0.8\n'
    body += 'set yrange [%s:*]\nset xtics scale 0 font ",10"\n' % ('1' if key == 'cpu_us' else '10')
    body += 'plot ' + ', '.join('$data using %d:%d:%d:xtic(1) lc rgb "%s" title "%s"' % (
        3 * i + 2, 3 * i + 3, 3 * i + 4, COLOURS[i % len(COLOURS)], scenario) for i, scenario in enumerate(scenarios))
    return draw(directory, name, title, label, body)


def delays(results, directory, name):
    """Rate over the next hop's delay, for the kind of messages that was measured with the most delays."""
    series = {}
    for scenario in results['scenarios']:
        found = re.fullmatch(r'(\w+-\w+)(?:-(\d+)ms)?', scenario)
        if found:
            series.setdefault(found.group(1), {})[int(found.group(2) or 0)] = scenario
    if not series:
        return False
    kind, points = max(series.items(), key=lambda each: len(each[1]))
    relays = [each for each in results['relays'] if median(results, each, points[min(points)], 'rate')]
    if len(points) < 2 or not relays:
        return False
    body, plots = '', []
    for i, relay in enumerate(relays):
        body += '$d%d << EOD\n' % i
        for delay, scenario in sorted(points.items()):
            rate = median(results, relay, scenario, 'rate')
            if rate:
                body += '%d %g\n' % (delay, rate)
        body += 'EOD\n'
        plots.append('$d%d using 1:2 with linespoints lw 2 lc rgb "%s" pt %d ps 0.7 title "%s"' % (
            i, COLOURS[i % len(COLOURS)], 4 + i, results['relays'][relay]['title']))
    body += 'set xlabel "the next hop answers so many ms late"\nplot ' + ', '.join(plots)
    return draw(directory, name, 'Messages per second, %s (higher is better)' % kind, 'messages/s, logarithmic', body)


def draw_all(results, directory):
    """Returns [(file, title)] of the plots that could be drawn."""
    if not shutil.which('gnuplot'):
        print('no gnuplot, so no plots')
        return []
    os.makedirs(os.path.join(directory, 'plots'), exist_ok=True)
    drawn = []
    if bars(results, directory, 'rate.svg', 'rate', 'Messages per second, end to end (higher is better)',
            'messages/s, logarithmic'):
        drawn.append(('rate.svg', 'messages per second'))
    if bars(results, directory, 'cpu.svg', 'cpu_us', 'Processor time of the relay for a message (lower is better)',
            'us, logarithmic'):
        drawn.append(('cpu.svg', 'processor time per message'))
    if delays(results, directory, 'delay.svg'):
        drawn.append(('delay.svg', 'messages per second with a late next hop'))
    return drawn


def write(results, directory):
    plots = draw_all(results, directory)
    with open(os.path.join(directory, 'results.md'), 'w', encoding='utf-8') as f:
        f.write(markdown(results, plots))


def update_docs(results, directory, docs):
    """Replaces what is between the marks in docs/performance.md, and the plots."""
    path = os.path.join(docs, 'performance.md')
    with open(path, encoding='utf-8') as f:
        before, _, rest = f.read().partition(BEGIN)
    _, _, after = rest.partition(END)
    with open(os.path.join(directory, 'results.md'), encoding='utf-8') as f:
        text = f.read()
    with open(path, 'w', encoding='utf-8') as f:
        f.write(before + BEGIN + '\n\n' + text + '\n' + END + after)
    os.makedirs(os.path.join(docs, 'plots'), exist_ok=True)
    for name in re.findall(r'\(plots/([a-z]+\.svg)\)', text):
        shutil.copy(os.path.join(directory, 'plots', name), os.path.join(docs, 'plots', name))
