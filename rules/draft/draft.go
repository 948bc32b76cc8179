// Package draft makes a first rule pack from what a vendor publishes: port tables in Markdown, HTML or CSV, or flattened to lines; lists of hosts with
// their ports; MUD files (RFC 8520); the protocols of the components of an OSCAL system security plan. It understands what is printed in fixed words,
// English or French, and guesses nothing: what it does not understand it lists with its lines and leaves out. What it makes is a draft for a person
// who holds it against the document.
package draft

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"pcapaudit/rules"
)

// Limits of a document and of what is made of it. What exceeds one of them is refused, or counted as left out.
const (
	MaxFile     = 4 << 20 // bytes
	maxLines    = 400_000
	maxFlows    = 2000
	maxLeft     = 1000 // parts that are listed one by one
	maxRows     = 20_000
	maxColumns  = 64
	maxRowspan  = 200
	maxAddress  = 500  // host names, and addresses, of a role
	maxCellText = 4000 // bytes of a cell; what is longer is no port table
)

// Draft is what came of a document.
type Draft struct {
	Name  string // of the pack
	Flows int
	Left  []Left // at most maxLeft
	More  int    // parts left out that Left has no room for

	file, title, date string
	roles             roleBook
	conditions        []rules.Condition
	flows             []*rules.Flow
	ids               map[string]bool
}

// Left is a part of a document that became no flow, or not all of one.
type Left struct {
	First, Last int    // lines, from 1
	Text        string // how it begins
	Why         string
}

// New reads a document by its file name and bytes. Name is the pack's; without one it is made of the file's. It fails where the file as a whole cannot be read.
func New(file string, data []byte, name string) (*Draft, error) {
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	switch {
	case len(data) > MaxFile:
		return nil, fmt.Errorf("the file has %d bytes; a document may have at most %d", len(data), MaxFile)
	case !utf8.Valid(data):
		return nil, errors.New("the file is not UTF-8 text; save it as UTF-8 text, Markdown, HTML, CSV or JSON")
	case strings.Count(string(data), "\n") >= maxLines:
		return nil, fmt.Errorf("the file has more than %d lines", maxLines)
	}
	d := &Draft{Name: name, file: clean(filepath.Base(file), 200), ids: map[string]bool{}}
	if d.file == "" {
		d.file = "document"
	}
	if d.Name == "" {
		d.Name = slug(strings.TrimSuffix(d.file, filepath.Ext(d.file)), 60)
	}
	if d.Name == "" {
		d.Name = "draft"
	}
	if err := d.read(data); err != nil {
		return nil, err
	}
	if d.title == "" {
		d.title = d.file
	}
	d.Flows = len(d.flows)
	return d, nil
}

// read takes the document for what its name and its first bytes say.
func (d *Draft) read(data []byte) error {
	text := string(data)
	begin := strings.ToLower(strings.TrimSpace(text[:min(len(text), 4096)]))
	switch ext := strings.ToLower(filepath.Ext(d.file)); {
	case ext == ".json" || jsonBegin.MatchString(begin):
		return d.readJSON(data)
	case ext == ".csv" || ext == ".tsv":
		blocks, err := csvBlocks(text)
		if err != nil {
			return err
		}
		d.assemble(blocks)
	case ext == ".html" || ext == ".htm" || ext == ".xhtml" || strings.HasPrefix(begin, "<!doctype html") || strings.HasPrefix(begin, "<html"):
		d.assemble(htmlBlocks(text, 1))
	default:
		d.assemble(markdownBlocks(text))
	}
	return nil
}

// jsonBegin is how an object begins that has a key; text may begin with a brace as well.
var jsonBegin = regexp.MustCompile(`^\{\s*"`)

// leave lists a part of the document that is not understood.
func (d *Draft) leave(first, last int, text, why string) {
	if len(d.Left) >= maxLeft {
		d.More++
		return
	}
	d.Left = append(d.Left, Left{first, last, clean(text, 120), why})
}

// add keeps a flow.
func (d *Draft) add(f *rules.Flow) {
	c := f.Cite[len(f.Cite)-1]
	if len(d.flows) >= maxFlows {
		var first, last int
		fmt.Sscanf(c.Lines, "%d-%d", &first, &last)
		d.leave(first, max(first, last), f.Title, fmt.Sprintf("the draft has %d flows already", maxFlows))
		return
	}
	d.flows = append(d.flows, f)
}

// unique gives a name that is not taken, with a number behind it if need be, and takes it.
func unique(taken map[string]bool, name string) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// Pack is the draft as a pack file that has no problem, with what was left out as comments behind it.
func (d *Draft) Pack() ([]byte, error) {
	if len(d.flows) == 0 {
		return nil, errors.New("no flow was understood: there is no table with a column of ports, no list of hosts with ports, no MUD policy and no component with protocols")
	}
	text := d.yaml()
	if _, problems := rules.LoadPackBytes(d.Name+".yaml", text); rules.Failed(problems) {
		return nil, fmt.Errorf("the draft is no pack: %s", problems[0])
	}
	return text, nil
}
