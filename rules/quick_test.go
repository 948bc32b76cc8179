package rules

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// sameNodes says how what quickNodes gave differs from what the library gives, in all that reader looks at.
func sameNodes(quick, library *yaml.Node) error {
	null := func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
	if quick.Kind != library.Kind || quick.Value != library.Value || quick.Line != library.Line || quick.Column != library.Column || null(quick) != null(library) ||
		library.Anchor != "" || library.Style&yaml.TaggedStyle != 0 || len(quick.Content) != len(library.Content) {
		return fmt.Errorf("kind %d %q at %d:%d, %d in it; the library has kind %d %q at %d:%d, %d in it", quick.Kind, quick.Value, quick.Line, quick.Column, len(quick.Content),
			library.Kind, library.Value, library.Line, library.Column, len(library.Content))
	}
	for i := range quick.Content {
		if err := sameNodes(quick.Content[i], library.Content[i]); err != nil {
			return err
		}
	}
	return nil
}

// likeLibrary holds quickNodes against the library; it says whether there was anything to hold.
func likeLibrary(data []byte) (bool, error) {
	root := quickNodes(data)
	if root == nil {
		return false, nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return true, err
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); err != nil {
		return true, err
	}
	if err := loader.Load(&second); err != io.EOF {
		return true, fmt.Errorf("a second document: %v", err)
	}
	if len(doc.Content) != 1 {
		return true, fmt.Errorf("%d nodes", len(doc.Content))
	}
	return true, sameNodes(root, doc.Content[0])
}

// The embedded packs and the sites of the project are written plainly enough.
func TestQuickNodesReadTheFilesOfTheProject(t *testing.T) {
	var files []string
	for _, pattern := range []string{"packs/*.yaml", "testdata/*.yaml", "testdata/*/*.yaml", "../testdata/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, names...)
	}
	known := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		quick, err := likeLibrary(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if quick {
			known++
		} else if filepath.Dir(name) == "packs" {
			t.Errorf("%s: left to the library", name)
		}
	}
	t.Logf("%d of %d files", known, len(files))
}

func TestQuickNodesLeaveTheRestToTheLibrary(t *testing.T) {
	for _, text := range []string{"", "a", "a: &x b", "a: *x", "a: !!str b", "a:\n", "a: |\n  b", "a: >\n  b", "a: >-\n  b\n\n  c", "a: >-\n  b\n   c", "a: \"\\n\"", "a: 'b''c'",
		"a: b\n  c", "a: [b,\n  c]", "a: b: c", "a: [b: c]", "a: {b}", "a: {b:c}", "\ta: b", "a: b\r\n", "---\na: b", "a: b\n---\nc: d", "? a", "a b: c", "\"a\": b", "a: - b", "a: 'b' c",
		"a: 'b'#c", "- - a", "a:\n b: c\n  d: e", " a: b", "a: {b: }", "a: [b", "<<: {a: b}", "a: \u00a0b", "a: b:"} {
		if quickNodes([]byte(text)) != nil {
			t.Errorf("%q is parsed", text)
		}
	}
}

// FuzzQuickNodes: what quickNodes parses, the library parses alike.
func FuzzQuickNodes(f *testing.F) {
	for _, text := range []string{"a: b", "a:\n  - b: c\n    d: [e, \"f\", 'g: h']\n  # i\n  - {j: k, l: {m: ~}}\nn: >-\n  o\n  p # q\n\nr: é # s\nt: {é: [x], u: é}",
		"a:\n- b\n-  c: d\n   e: null\n- \"f\"  # g\n", "a: fe80::1\nb: [10.0.0.1:443, x#y, ]\nc: \"日\" # d\ne: {f: [ ], g: { }, }", "a: >-\n    b\n    #c\n  # d\ne: f",
		"a: =\nb: [=, <<]\nc: 1:2", "a: b\n\n\n  #c\n", "1: 2\na.b/c_d-e:   f  "} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := likeLibrary(data); err != nil {
			t.Errorf("%q: %v", data, err)
		}
	})
}

// A line is counted once, however many nodes it has.
func TestQuickNodesOfOneLongLine(t *testing.T) {
	const n = 200_000
	root := quickNodes([]byte("a: [" + strings.Repeat("é,", n) + "]"))
	if root == nil || len(root.Content[1].Content) != n {
		t.Fatal("the line is not parsed")
	}
	if last := root.Content[1].Content[n-1]; last.Column != 5+2*(n-1) {
		t.Errorf("the last word stands in column %d", last.Column)
	}
}

// Pieces of real files with a few bytes changed come closer to the edges than random bytes do.
func TestQuickNodesOfDamagedFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var lines []string
	for _, b := range builtin {
		data, err := embedded.ReadFile("packs/" + b.Name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(data), "\n")...)
	}
	bits := []string{" ", "  ", "\n", "\n\n", "\n ", "\n    ", ":", ": ", "-", "- ", "#", " #", "'", "\"", ",", "[", "]", "{", "}", "a", "~", "null", "é", ">-", ">-\n", "&", "*", "!", "?", "|", "%", "@", "=", "<<", ".", "..."}
	parsed := 0
	for range 20_000 {
		at := r.IntN(len(lines) - 12)
		text := strings.Join(lines[at:at+1+r.IntN(12)], "\n")
		for range r.IntN(4) {
			i := r.IntN(len(text) + 1)
			text = text[:i] + bits[r.IntN(len(bits))] + text[min(i+r.IntN(3), len(text)):]
		}
		if cut := len(text) - len(strings.TrimLeft(text, " ")); r.IntN(4) > 0 { // as if the piece stood at the margin
			text = strings.ReplaceAll(text[cut:], "\n"+strings.Repeat(" ", cut), "\n")
		}
		quick, err := likeLibrary([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if quick {
			parsed++
		}
	}
	t.Logf("%d parsed", parsed)
}

func BenchmarkQuickNodes(b *testing.B) {
	data, err := embedded.ReadFile("packs/configmgr-2012.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		quickNodes(data)
	}
}
