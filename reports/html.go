package reports

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"pcapaudit/classify"
)

//go:embed html/*.tmpl html/*.css
var htmlFiles embed.FS

// The style sheet is allowed by its hash, so that nothing else in the page can bring a style or a script.
var htmlStyle, htmlPolicy = styleAndPolicy()

// htmlTemplates are parsed by the first page: that takes longer than the start of everything else here.
var htmlTemplates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(htmlWords).ParseFS(htmlFiles, "html/*.tmpl"))
})

func styleAndPolicy() (template.CSS, string) {
	text, err := htmlFiles.ReadFile("html/style.css")
	if err != nil {
		panic(err) // embedded
	}
	sum := sha256.Sum256(text)
	return template.CSS(text), fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(sum[:]))
}

// htmlWords are the functions of the templates.
var htmlWords = template.FuncMap{
	"number": number, "size": size, "time": shortTime, "need": need,
	"count":         func(n int) string { return number(uint64(n)) },
	"bytes":         func(n int64) string { return number(uint64(max(n, 0))) },
	"plural":        plural,
	"plurals":       func(n int, noun string) string { return plural(uint64(n), noun) },
	"join":          func(list []string) string { return strings.Join(list, ", ") },
	"words":         func(s string) string { return strings.ReplaceAll(s, "-", " ") },
	"percent":       func(f float64) string { return fmt.Sprintf("%.2f\u00a0%%", f) },
	"bound":         func(f float64) string { return fmt.Sprintf("%.4g\u00a0%%", f) },
	"verdictClass":  verdictClass,
	"basis":         func(b string) string { return basisWords[b] },
	"open":          orOpen,
	"sum":           countSum,
	"approvedFor":   approvedFor,
	"inventoryFile": func(v classify.InventoryRef) string { return inventoryFile(&v) },
	"evidenceFile":  evidenceFileText,
	"resultTitle":   resultTitle,
	"length":        lengthText,
	"blind":         func(b classify.BlindTime) string { return blindText(&b) },
}

// writeHTML renders an audit as one page that needs nothing else: no network, no script. Folding is part of the format, so that the page stays
// small whatever was audited; the JSON report has everything.
func writeHTML(w io.Writer, a *classify.Audit, _ Look) error {
	page := struct {
		Policy string
		Style  template.CSS
		View   *htmlView
	}{htmlPolicy, htmlStyle, cleaned(newHTMLView(a))}
	var b bytes.Buffer
	if err := htmlTemplates().ExecuteTemplate(&b, "page.tmpl", page); err != nil {
		return fmt.Errorf("lay out html report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write html report: %w", err)
	}
	return nil
}

// maxHTMLText is the longest text of the page, in runes as shown.
const maxHTMLText = 700

// cleaned copies a view with every string made safe to read: what a template shows went through here.
func cleaned[T any](v T) T { return mapStrings(v, cleanHTML) }

// mapStrings copies a value with every string in it replaced, but commands.
func mapStrings[T any](v T, f func(string) string) T {
	return mapValue(reflect.ValueOf(v), f).Interface().(T)
}

func mapValue(v reflect.Value, f func(string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[command]() {
			return v
		}
		out.SetString(f(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(mapValue(v.Elem(), f))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		for i := range v.Len() {
			out.Index(i).Set(mapValue(v.Index(i), f))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(mapValue(v.Field(i), f))
		}
	default:
		out.Set(v)
	}
	return out
}

// cleanHTML is Clean cut to what a page has room for; what markup means is the template's matter.
func cleanHTML(s string) string {
	s = Clean(s)
	if len(s) <= maxHTMLText || utf8.RuneCountInString(s) <= maxHTMLText {
		return s
	}
	return string([]rune(s)[:maxHTMLText]) + "…"
}

// verdictClass names the style and the shape of a verdict, or of a status of an expectation.
func verdictClass(verdict string) string {
	switch verdict {
	case "documented", "deviation", "unexpected", "indeterminate", "excepted":
		return verdict
	case "observed":
		return "documented"
	case "missing":
		return "unexpected"
	case "attempted":
		return "deviation"
	case "not-testable":
		return "indeterminate"
	}
	return "other"
}

// resultTitle is the result in words.
func resultTitle(verdict string) string {
	switch verdict {
	case "clean":
		return "No deviation found"
	case "deviations":
		return "Deviations found"
	case "inconclusive":
		return "Inconclusive"
	}
	return "No result"
}
