package reports

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"pcapaudit/classify"
)

// FuzzEscapeMarkdown: what a reader sees is the text, in whatever block it stands.
func FuzzEscapeMarkdown(f *testing.F) {
	for _, s := range append(nasty, "10.20.0.200 opened tcp/9876", "1. 2) 3.", "snake_case_name", "a*b*c", "x < y > z & w", "acronis-abr-11.5/agent-registers", "3 hosts -> 2 unlisted") {
		f.Add(s)
	}
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote))
	shown := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&amp;", "&").Replace
	f.Fuzz(func(t *testing.T, s string) {
		var page bytes.Buffer
		source := "- " + escapeMarkdown(s) + "\n\n| x |\n| --- |\n| " + escapeMarkdown(s) + " |\n"
		if err := markdown.Convert([]byte(source), &page); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(strings.TrimSpace(Clean(s)), "@", "(at)")
		for _, tag := range []string{"li", "td"} {
			_, text, _ := strings.Cut(page.String(), "<"+tag+">")
			text, _, _ = strings.Cut(text, "</"+tag+">")
			if shown(text) != want {
				t.Errorf("%.60q shows as %.80q in %s, want %.80q", s, shown(text), tag, want)
			}
		}
	})
}

func TestMarkdownCode(t *testing.T) {
	for s, want := range map[string]string{"plain": "`plain`", "a`b": "`` a`b ``", "a|b": "`a\\|b`", "``": "``` `` ```", "": "", "a\nb": "`a\\x0ab`"} {
		if got := markdownCode(s); got != want {
			t.Errorf("markdownCode(%q) = %s, want %s", s, got, want)
		}
	}
}

// TestMarkdownFitsInATicket: any audit, also one of long hostile names, stays under what GitHub takes, and what is left out is counted.
func TestMarkdownFitsInATicket(t *testing.T) {
	large := sampleAudit()
	for i := range 100_000 {
		large.Findings = append(large.Findings, classify.Finding{ID: fmt.Sprint(i), Kind: "question", Severity: "low", Verdict: "indeterminate", Summary: fmt.Sprintf("which port does vault %d use?", i)})
	}
	for name, a := range map[string]*classify.Audit{"large": large, "hostile": nastyAudit()} {
		got := render(t, Format{"markdown", ".md", writeMarkdown}, a, Look{})
		if len(got) > 65536 {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		if !bytes.Contains(got, []byte("more groups in the JSON report")) {
			t.Errorf("%s does not say what it leaves out", name)
		}
	}
}
