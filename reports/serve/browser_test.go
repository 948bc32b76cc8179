package serve

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "save screenshots of the status page in this folder, for a person to look at")

// tab is the status page in a real browser, with what it says and asks for.
type tab struct {
	*testing.T
	ctx context.Context

	mu                 sync.Mutex
	messages, requests []string
}

// browse starts a browser; tests that need one skip where there is none.
func browse(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser is started")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: the page is not opened in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	b := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Skipf("chromium does not start, so the page is not opened in a browser: %v", err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.messages = append(b.messages, fmt.Sprint(e.Type, e.Args))
	case *runtime.EventExceptionThrown:
		b.messages = append(b.messages, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.messages = append(b.messages, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		b.messages = append(b.messages, e.Message)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// quiet fails where the page said something, or asked for something that is not of its server.
func (b *tab) quiet(url string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) > 0 {
		b.Errorf("the browser says %q", b.messages)
	}
	if len(b.requests) < 3 {
		b.Errorf("only %q were asked for", b.requests)
	}
	for _, r := range b.requests {
		if path, own := strings.CutPrefix(r, url); r != "data:," && (!own || path != "/" && path != "/status.js" && !strings.HasPrefix(path, "/events?since=")) {
			b.Errorf("the page asks for %s", r)
		}
	}
	b.messages, b.requests = nil, nil
}

func call[P, R any](b *tab, c cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.Fatalf("%s: %v", c.Method, err)
	}
}

func ask[T any](b *tab, a chromedp.Action[T]) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// show opens the page as somebody with such a window and such a taste sees it.
func (b *tab) show(url string, width int64, scheme string) {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 500})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	ask(b, chromedp.Navigate(url))
}

// holds waits until an expression is true in the page.
func (b *tab) holds(w *watch, expression string) {
	b.Helper()
	w.until(expression, func() bool { return ask(b, chromedp.Evaluate[bool](expression)) })
}

const (
	isLive    = `document.getElementById('link').classList.contains('on')`
	isLost    = `document.getElementById('link').classList.contains('off')`
	alerts    = `document.querySelectorAll('#feed li').length`
	newest    = `document.querySelector('#feed li .what').firstChild.textContent`
	images    = `document.querySelectorAll('img, body script, iframe, object').length`
	pageWidth = `document.documentElement.scrollWidth`
	tooWide   = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.parentElement.closest('.scroll')).slice(0, 5).map(e => e.outerHTML.slice(0, 200)).join('\n')`
	unfold    = `document.querySelectorAll('details').forEach(d => d.open = true)`
	marked    = `window.mark = 1`
	isMarked  = `window.mark === 1`
)

// TestStatusPageInBrowser has alerts come while the page is open: they are shown without a reload, names from the wire are text, the browser says nothing and asks nobody else.
func TestStatusPageInBrowser(t *testing.T) {
	b := browse(t)
	w := begin(t, nil)
	w.see(9876, "")
	w.see(22, "")
	w.settled(1)
	b.show(w.url+"/", 1280, "light")
	b.holds(w, isLive)
	ask(b, chromedp.Evaluate[int](marked))
	if n := ask(b, chromedp.Evaluate[int](alerts)); n != 1 {
		t.Errorf("the page begins with %d alerts", n)
	}
	w.see(443, hostile)
	b.holds(w, alerts+` === 2`)
	if text := ask(b, chromedp.Evaluate[string](newest)); !strings.Contains(text, hostile) {
		t.Errorf("the newest alert is %q", text)
	}
	b.holds(w, `document.querySelector('[data-live="judged"]').textContent === '3'`)
	if !ask(b, chromedp.Evaluate[bool](isMarked)) {
		t.Error("the page was loaded again")
	}
	b.show(w.url+"/", 1280, "light")
	b.holds(w, isLive)
	if n := ask(b, chromedp.Evaluate[int](images)); n != 0 || ask(b, chromedp.Evaluate[int](alerts)) != 2 {
		t.Errorf("%d elements of a hostile name", n)
	}
	b.quiet(w.url)
	w.hub.mu.Lock()
	for s := range w.hub.streams { // as if they were too slow
		delete(w.hub.streams, s)
		close(s.events)
	}
	w.hub.mu.Unlock()
	b.holds(w, isLost)
	w.see(8443, "")
	b.holds(w, alerts+` === 3`)
}

// TestRefusedStreamInBrowser has no room for the page's stream at first: the page says so, and asks again until there is.
func TestRefusedStreamInBrowser(t *testing.T) {
	b := browse(t)
	w := begin(t, nil)
	var others []*stream
	for range MaxStreams {
		s, _ := w.hub.join("")
		others = append(others, s)
	}
	b.show(w.url+"/", 1280, "light")
	b.holds(w, isLost)
	for _, s := range others {
		w.hub.leave(s)
	}
	b.holds(w, isLive)
	w.see(22, "")
	b.holds(w, alerts+` === 1`)
}

// TestStatusPageWithoutScript has everything in the page as it is sent.
func TestStatusPageWithoutScript(t *testing.T) {
	b := browse(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w := begin(t, nil)
	w.see(22, "")
	w.settled(1)
	b.show(w.url+"/", 390, "dark")
	text := ask(b, chromedp.Text("body"))
	for _, want := range []string{"Live audit: test", "eth0", "agent-1 (p/agent) -> server-1 (p/server) tcp/22", "Deviations found", "Flow matrix", "Coverage", "R. Rivera"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestStatusPageFits opens it at the width of a phone and of a desk, light and dark.
func TestStatusPageFits(t *testing.T) {
	b := browse(t)
	w := begin(t, nil)
	for port := range 12 {
		w.see(9876, "")
		w.see(uint16(440+port), map[bool]string{true: fmt.Sprintf("h%d.%s", port, strings.Repeat("x", 60)), false: ""}[port%3 == 1])
	}
	w.see(443, hostile)
	w.settled(8)
	for width, schemes := range map[int64][]string{390: {"light", "dark"}, 1280: {"dark", "light"}} {
		for _, scheme := range schemes {
			b.show(w.url+"/", width, scheme)
			b.holds(w, isLive)
			what := fmt.Sprintf("status-%d-%s", width, scheme)
			if *pictures != "" {
				if err := os.WriteFile(filepath.Join(*pictures, what+".png"), ask(b, chromedp.FullScreenshot(100)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			ask(b, chromedp.Evaluate[chromedp.Void](unfold))
			if n, wide := ask(b, chromedp.Evaluate[int64](pageWidth)), ask(b, chromedp.Evaluate[string](tooWide)); n > width || wide != "" {
				t.Errorf("%s: the page is %d wide: %s", what, n, wide)
			}
			b.quiet(w.url)
		}
	}
}
