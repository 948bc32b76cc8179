package reports

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	printing "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"pcapaudit/classify"
)

var pictures = flag.String("pictures", "", "save screenshots and the print of the page in this folder, for a person to look at")

// tab is a page in a real browser, with what it says and asks for.
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
	case *printing.EventJavascriptDialogOpening:
		b.messages = append(b.messages, e.Message)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// quiet fails where the page said something or asked for something but itself.
func (b *tab) quiet(what, url string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) > 0 {
		b.Errorf("%s: the browser says %q", what, b.messages)
	}
	if len(b.requests) == 0 {
		b.Errorf("%s: not even the page was asked for", what)
	}
	for _, r := range b.requests {
		if r != url {
			b.Errorf("%s: the page asks for %s", what, r)
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

// show opens a page as somebody with such a window and such a taste sees it.
func (b *tab) show(url string, width int64, scheme string) {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 500})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	ask(b, chromedp.Navigate(url))
}

// save keeps a picture where -pictures asks for it.
func (b *tab) save(name string, data func() []byte) {
	b.Helper()
	if *pictures == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*pictures, name), data(), 0o644); err != nil {
		b.Fatal(err)
	}
}

func saved(t *testing.T, a *classify.Audit) (url string, size int) {
	t.Helper()
	text := pageOf(t, a)
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path, len(text)
}

// What the open page is asked. Elements inside a scrolling region may be wider than the window, the region may not.
const (
	pageWidth  = `document.documentElement.scrollWidth`
	tooWide    = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.parentElement.closest('.scroll')).slice(0, 5).map(e => e.outerHTML.slice(0, 200)).join('\n')`
	paper      = `getComputedStyle(document.body).backgroundColor`
	elemShapes = `[...new Set([...document.querySelectorAll('*')].map(e => [e.localName, ...e.getAttributeNames()].join(' ')))].sort().join(',')`
	unfold     = `document.querySelectorAll('details').forEach(d => d.open = true)`
)

// TestPageInBrowser opens pages at the width of a phone and of a desk, light and dark: nothing is said, nothing is fetched, nothing is wider than
// the window, and the hostile audit has the elements and attributes of harmless ones.
func TestPageInBrowser(t *testing.T) {
	b := browse(t)
	shapes := map[string][]string{}
	for name, a := range map[string]*classify.Audit{"sample": pageAudit(), "empty": {}, "nasty": nastyAudit(), "tame": tame(nastyAudit())} {
		url, _ := saved(t, a)
		for width, schemes := range map[int64][]string{390: {"light", "dark"}, 1280: {"dark", "light"}} {
			if name != "sample" {
				schemes = schemes[:1]
			}
			for _, scheme := range schemes {
				what := fmt.Sprintf("%s-%d-%s", name, width, scheme)
				b.show(url, width, scheme)
				if name == "sample" {
					b.save(what+".png", func() []byte { return ask(b, chromedp.FullScreenshot(100)) })
				}
				ask(b, chromedp.Evaluate[chromedp.Void](unfold))
				if n, wide := ask(b, chromedp.Evaluate[int64](pageWidth)), ask(b, chromedp.Evaluate[string](tooWide)); n > width || wide != "" {
					t.Errorf("%s: the page is %d wide: %s", what, n, wide)
				}
				if got := ask(b, chromedp.Evaluate[string](paper)); (got == "rgb(16, 21, 27)") != (scheme == "dark") {
					t.Errorf("%s: the background is %s", what, got)
				}
				shapes[name] = strings.Split(ask(b, chromedp.Evaluate[string](elemShapes)), ",")
				b.quiet(what, url)
			}
		}
	}
	for _, shape := range shapes["nasty"] {
		if !slices.Contains(slices.Concat(shapes["tame"], shapes["sample"]), shape) {
			t.Errorf("the hostile page has a <%s>, others have not", shape)
		}
	}
}

// TestPagePrints prints on A4: the pages have the size, their number stands on each, and the words of closed sections are on paper.
func TestPagePrints(t *testing.T) {
	b := browse(t)
	url, _ := saved(t, pageAudit())
	ask(b, chromedp.Navigate(url))
	pdf := ask(b, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	b.save("page.pdf", func() []byte { return pdf })
	pages := len(regexp.MustCompile(`/Type\s*/Page\b[^s]`).FindAll(pdf, -1))
	box := regexp.MustCompile(`/MediaBox \[0 0 59[45][.\d]* 84[12][.\d]*\]`)
	if pages < 4 || len(box.FindAll(pdf, -1)) != pages {
		t.Errorf("the print has %d pages, of which %d are A4", pages, len(box.FindAll(pdf, -1)))
	}
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("pdftotext is not installed: what stands on the pages is not read")
	}
	c := exec.Command("pdftotext", "-layout", "-", "-")
	c.Stdin = bytes.NewReader(pdf)
	text, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	for i := range pages {
		if want := fmt.Sprintf("Page %d of %d", i+1, pages); !strings.Contains(string(text), want) {
			t.Errorf("the print does not say %q", want)
		}
	}
	for _, want := range []string{"Sign-off", "The matrix as a table", "tshark -r window.pcapng", "SHA256"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the print lacks %q", want)
		}
	}
}

// TestBigPageInBrowser measures how long a browser needs for the page of a very bad night.
func TestBigPageInBrowser(t *testing.T) {
	b := browse(t)
	url, size := saved(t, bigAudit(100_000))
	began := time.Now()
	ask(b, chromedp.Navigate(url))
	loaded := ask(b, chromedp.Evaluate[float64](`performance.getEntriesByType('navigation')[0].loadEventEnd`))
	t.Logf("%d bytes: loaded after %.0f ms of the page's time, %v in all", size, loaded, time.Since(began).Round(time.Millisecond))
	if size > maxPage {
		t.Errorf("the page has %d bytes, at most %d are allowed", size, maxPage)
	}
}
