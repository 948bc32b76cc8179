// Package reports renders the Audit model and connection lists. Each format is one pure writer: it reads its argument and nothing else, changes
// nothing, and the same argument gives the same bytes.
package reports

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"pcapaudit/classify"
)

// Look is what a terminal can show, and what a format must be told that no audit knows. The zero value serves every format.
type Look struct {
	Width int  // columns; 0 means 80
	Color bool // severities and the result in colour; the words are there without it
	All   bool // every finding and every host, nothing folded

	Audit string // the JSON report of the same audit, as commands name it; "" where there is none, or its name is not known

	Epoch    int64    // seconds since 1970 for formats that need a date; 0 means the time of the last packet
	Plan     string   // reference of the OSCAL assessment plan that the audit follows; "" says that there is none
	Controls []string // names of ControlSets that the audit is supporting evidence for
}

// Format is a way to write an audit.
type Format struct {
	Name      string
	Extension string // of files that --report writes in this format
	Write     func(io.Writer, *classify.Audit, Look) error
}

// Formats lists the formats in the order that help shows.
var Formats = []Format{
	{"table", ".txt", writeTable},          // text for people
	{"json", ".json", writeJSON},           // the whole Audit
	{"html", ".html", writeHTML},           // one page for people, to read and to sign
	{"markdown", ".md", writeMarkdown},     // for tickets, bounded
	{"csv", ".csv", writeFindings},         // every finding; .findings.csv says so
	{"matrix", ".matrix.csv", writeMatrix}, // who opened what to whom, by role
	{"sarif", ".sarif", writeSARIF},        // failures, for code scanning
	{"junit", ".junit.xml", writeJUnit},    // expectations as tests
	{"oscal", ".oscal.json", writeOSCAL},   // assessment results
}

// ByName finds the format of --format.
func ByName(name string) (Format, error) {
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("unknown format %q; use one of %s", name, list(func(f Format) string { return f.Name }))
}

// ByPath finds the format of a --report file from its extension; the longest that fits wins.
func ByPath(path string) (Format, error) {
	var best Format
	for _, f := range Formats {
		if strings.HasSuffix(path, f.Extension) && len(f.Extension) > len(best.Extension) {
			best = f
		}
	}
	if best.Write != nil {
		return best, nil
	}
	return Format{}, fmt.Errorf("report %s: unknown extension %q; use one of %s", path, filepath.Ext(path), list(func(f Format) string { return f.Extension }))
}

func list(of func(Format) string) string {
	var names []string
	for _, f := range Formats {
		names = append(names, of(f))
	}
	return strings.Join(names, ", ")
}

func writeJSON(w io.Writer, a *classify.Audit, _ Look) error {
	if err := indented(w, a); err != nil {
		return fmt.Errorf("write json report: %w", err)
	}
	return nil
}
