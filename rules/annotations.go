package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Annotations is one file: what reviewers say of the findings of an audit. YAML is read as strictly as a site.
type Annotations struct {
	List []*Annotation `yaml:"annotations"`

	SHA256 string `yaml:"-"`
	File   string `yaml:"-"`

	places places
}

// Annotation is a reviewer's disposition of one finding.
type Annotation struct {
	Finding     string `yaml:"finding"`     // its id: 16 hex digits
	Disposition string `yaml:"disposition"` // accepted, to-fix, false
	Name        string `yaml:"name"`        // of the reviewer
	Date        string `yaml:"date"`        // 2026-01-31
	Text        string `yaml:"text"`
	Pos         Pos    `yaml:"-"`
}

// dispositions are the words of Annotation.Disposition.
var dispositions = []string{"accepted", "to-fix", "false"}

// LoadAnnotations loads a file of annotations. The result is nil if any problem is an error.
func LoadAnnotations(path string) (*Annotations, []Problem) {
	data, problem := readFile(path)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	return LoadAnnotationsBytes(path, data)
}

// LoadAnnotationsBytes loads annotations from the bytes of the file of that name. The result is nil if any problem is an error.
func LoadAnnotationsBytes(file string, data []byte) (*Annotations, []Problem) {
	a := &Annotations{File: file, SHA256: hash(data), places: places{}}
	r := newReader(file, a.places)
	checkable := r.read(data, a)
	problems := r.problems
	if checkable {
		problems = follow(r.problems, checkAnnotations(a, checker{file: file, places: a.places}), r.explained)
	}
	if Failed(problems) {
		a = nil
	}
	return a, sortProblems(problems)
}

func checkAnnotations(a *Annotations, c checker) []Problem {
	before := map[string]*Annotation{}
	for _, n := range a.List {
		if len(n.Finding) != 16 || strings.Trim(n.Finding, "0123456789abcdef") != "" {
			c.fail(fmt.Sprintf("%q is no id of a finding", printable(n.Finding)), "write its 16 hex digits, as the JSON report and --all show them", &n.Finding, n)
		} else if first := before[n.Finding]; first != nil {
			c.fail(fmt.Sprintf("finding %s is annotated twice, first at %s", n.Finding, c.places.at(first)), "keep one", &n.Finding, n)
		}
		before[n.Finding] = n
		if !slices.Contains(dispositions, n.Disposition) {
			c.fail(fmt.Sprintf("disposition is %q", printable(n.Disposition)), meant(n.Disposition, dispositions), &n.Disposition, n)
		}
		if _, err := time.Parse(time.DateOnly, n.Date); err != nil {
			c.fail(fmt.Sprintf("date %q is no date", printable(n.Date)), "write it as 2026-01-31", &n.Date, n)
		}
		if n.Name == "" {
			c.fail("an annotation without a name", "add name: who answers for it", n)
		}
		if n.Text == "" && n.Disposition != "to-fix" {
			c.fail("an annotation without a text", "add text: why it is "+n.Disposition, n)
		}
	}
	return c.problems
}
