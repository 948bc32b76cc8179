'use strict';
(() => {
  const most = 50, again = 5000; // ms
  const words = { high: 'High', medium: 'Medium', low: 'Low', info: 'Info' };
  const find = (id) => document.getElementById(id);
  const feed = find('feed'), link = find('link'), linkWords = find('link-words');
  let fresh = 0;

  const element = (name, className, text) => {
    const e = document.createElement(name);
    e.className = className;
    e.textContent = text;
    return e;
  };

  const connected = (on) => {
    link.classList.toggle('on', on);
    link.classList.toggle('off', !on);
    linkWords.textContent = on ? 'Live:' : 'No connection, trying again; as of';
  };

  const showAlert = (a) => {
    const severity = Object.hasOwn(words, a.severity) ? a.severity : 'info';
    const item = element('li', 'new', ''), what = element('div', 'what', a.text);
    if (a.next) {
      what.append(element('p', 'muted small', a.next));
    }
    item.append(element('time', '', a.time), element('span', 'chip ' + severity, words[severity]), what);
    feed.prepend(item);
    while (feed.children.length > most) {
      feed.lastElementChild.remove();
    }
    fresh++;
    find('none').hidden = true;
    find('fresh').textContent = fresh === 1 ? '1 alert' : fresh + ' alerts';
    find('reload').hidden = false;
  };

  const showValue = (v) => {
    for (const e of document.querySelectorAll('[data-live="' + CSS.escape(v.key) + '"]')) {
      e.textContent = v.text;
      e.classList.toggle('bad', v.bad);
    }
  };

  let source;
  const connect = () => {
    source = new EventSource('events?since=' + encodeURIComponent(feed.dataset.last));
    source.addEventListener('open', () => connected(true));
    source.addEventListener('error', () => {
      connected(false);
      if (source.readyState === EventSource.CLOSED) { // refused, which a browser takes for the last word
        setTimeout(() => source.readyState === EventSource.CLOSED && connect(), again);
      }
    });
    source.addEventListener('alert', (e) => {
      feed.dataset.last = e.lastEventId;
      showAlert(JSON.parse(e.data));
    });
    source.addEventListener('status', (e) => JSON.parse(e.data).forEach(showValue));
  };
  connect();
  addEventListener('pagehide', () => source.close());
  addEventListener('pageshow', (e) => e.persisted && connect());
})();
