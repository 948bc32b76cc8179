package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	exp "github.com/go-json-experiment/json"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"pcapaudit/classify"
)

// TestHostileAuditThroughEveryFormat: every output reads back by the parsers of others, two renderings are the same bytes, and nothing but the format's own line ends is a
// control, a format or a separator character.
func TestHostileAuditThroughEveryFormat(t *testing.T) {
	a := nastyAudit()
	plain := plainAudit()
	for _, f := range Formats {
		t.Run(f.Name, func(t *testing.T) {
			got := render(t, f, a, Look{All: true})
			if f.Name != "json" { // whose encoder escapes what is not text, and keeps the rest as it is
				checkCharacters(t, got)
			}
			if check := reparse[f.Extension]; check != nil {
				check(t, got, render(t, f, plain, Look{All: true}))
			}
		})
	}
}

// plainAudit has the shape of nastyAudit, with harmless words in every string.
func plainAudit() *classify.Audit {
	words := make([]string, len(nasty))
	for i := range words {
		words[i] = fmt.Sprintf("word%d", i)
	}
	return filledAudit(words)
}

func checkCharacters(t *testing.T, out []byte) {
	if !utf8.Valid(out) {
		t.Error("not UTF-8")
	}
	for i, r := range string(out) {
		if r != '\n' && r != '\u00a0' && !unicode.IsPrint(r) {
			t.Fatalf("%U at byte %d: %.60q", r, i, out[i:])
		}
	}
}

// reparse reads an output of the hostile audit, beside that of a plain audit of the same shape.
var reparse = map[string]func(t *testing.T, hostile, plain []byte){
	".json": reparseJSON, ".sarif": reparseJSON, ".oscal.json": reparseJSON,
	".csv": reparseCSV, ".matrix.csv": reparseCSV, ".junit.xml": reparseXML, ".md": reparseMarkdown,
}

func reparseJSON(t *testing.T, hostile, _ []byte) {
	var one, two any
	if err := json.Unmarshal(hostile, &one); err != nil {
		t.Errorf("encoding/json: %v", err)
	}
	if err := exp.Unmarshal(hostile, &two); err != nil { // refuses names that come twice, and invalid UTF-8
		t.Errorf("go-json-experiment: %v", err)
	}
	for _, s := range []string{"\u2028", "</script>", "<script"} {
		if bytes.Contains(hostile, []byte(s)) {
			t.Errorf("%q stands in the text", s)
		}
	}
}

func reparseCSV(t *testing.T, hostile, plain []byte) {
	rows, err := csv.NewReader(bytes.NewReader(hostile)).ReadAll() // wants one number of fields in every row
	if err != nil {
		t.Fatal(err)
	}
	want, err := csv.NewReader(bytes.NewReader(plain)).ReadAll()
	if err != nil || len(rows) != len(want) || len(rows[0]) != len(want[0]) {
		t.Errorf("%d rows of %d, want %d of %d (%v)", len(rows), len(rows[0]), len(want), len(want[0]), err)
	}
	for _, row := range rows {
		for _, field := range row {
			if field != "" && strings.ContainsRune("=+-@\t\r", rune(field[0])) {
				t.Errorf("a formula: %.40q", field)
			}
		}
	}
}

func reparseXML(t *testing.T, hostile, plain []byte) {
	count := func(text []byte) map[string]int {
		names := map[string]int{}
		d := xml.NewDecoder(bytes.NewReader(text))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				return names
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok {
				names[e.Name.Local]++
			}
		}
	}
	got, want := count(hostile), count(plain)
	for name := range got {
		if got[name] != want[name] {
			t.Errorf("%d elements %s, %d with harmless strings", got[name], name, want[name])
		}
	}
	if len(got) < 5 {
		t.Errorf("only the elements %v", got)
	}
}

// reparseMarkdown walks the tree that GitHub's dialect makes of it: no HTML, no link, no image, and the same blocks, cells and code spans as with harmless strings, where no
// budget cuts either.
func reparseMarkdown(t *testing.T, _, _ []byte) {
	written := func(a *classify.Audit) []byte {
		var b bytes.Buffer
		if err := writeTicket(&b, a, budgets{1 << 30, 1 << 30, 1 << 30}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	hostile, plain := written(nastyAudit()), written(plainAudit())
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote)).Parser()
	count := func(source []byte) map[string]int {
		kinds := map[string]int{}
		err := ast.Walk(parser.Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if entering && n.Kind() != ast.KindText && n.Kind() != ast.KindString {
				kinds[n.Kind().String()]++
			}
			return ast.WalkContinue, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return kinds
	}
	got, want := count(hostile), count(plain)
	for _, kind := range []string{"RawHTML", "HTMLBlock", "Link", "AutoLink", "Image", "FencedCodeBlock", "CodeBlock", "FootnoteLink"} {
		if got[kind] != 0 {
			t.Errorf("%d nodes %s", got[kind], kind)
		}
	}
	for kind := range want {
		if got[kind] != want[kind] {
			t.Errorf("%d nodes %s, %d with harmless strings", got[kind], kind, want[kind])
		}
	}
	for kind := range got {
		if want[kind] == 0 {
			t.Errorf("%d nodes %s, none with harmless strings", got[kind], kind)
		}
	}
}
