package classify

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the words of sentences into pseudonym_words.txt")

// sentences are where the texts of an audit are worded. Of rules only warnings reach one.
var sentences = []string{".", "../capture", "../capture/flow", "../capture/inspect", "../cmd/pcapaudit/facts.go", "../rules"}

// TestPseudonymWords keeps the list of this program's pairs of words equal to its sources: a sentence that is not in it loses words when it is pseudonymised.
func TestPseudonymWords(t *testing.T) {
	pairs := map[string]bool{}
	for _, path := range sentences {
		files, err := sourceFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			literals(t, file, path == "../rules", func(s string) { addPairs(pairs, s) })
		}
	}
	want := strings.Join(slices.Sorted(maps.Keys(pairs)), "\n") + "\n"
	if *update {
		if err := os.WriteFile("pseudonym_words.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != ownPairs {
		t.Error("pseudonym_words.txt is not what the sources say: go test ./classify -run TestPseudonymWords -update writes it")
	}
}

func sourceFiles(path string) ([]string, error) {
	if filepath.Ext(path) == ".go" {
		return []string{path}, nil
	}
	files, err := fs.Glob(os.DirFS(path), "*.go")
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	for i := range files {
		files[i] = filepath.Join(path, files[i])
	}
	return files, err
}

// literals calls f with every string in a source file, or only with those in calls of warn.
func literals(t *testing.T, path string, warnings bool, f func(string)) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				s, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatal(err)
				}
				f(s)
			}
		}
		return true
	}
	if !warnings {
		ast.Inspect(file, all)
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "warn" {
				ast.Inspect(call, all)
			}
		}
		return true
	})
}

var verbs = regexp.MustCompile(`%[-+# 0-9.\[\]*]*[a-zA-Z]`)

// addPairs takes a text apart at the places where something is filled in, and its pieces into words.
func addPairs(pairs map[string]bool, text string) {
	for _, piece := range verbs.Split(strings.ReplaceAll(text, "%%", " # "), -1) {
		last := "^"
		for s := piece; ; {
			if s = s[separators(s):]; s == "" {
				break
			}
			word := firstWord(s)
			s = s[len(word):]
			if w := strings.ToLower(word); isWord(w) {
				pairs[last+" "+w], last = true, w
			} else {
				last = "^"
			}
		}
		if last != "^" {
			pairs[last+" $"] = true
		}
	}
}

// isWord leaves out what is no word of a sentence.
func isWord(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-/'") == "" && strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz")
}
