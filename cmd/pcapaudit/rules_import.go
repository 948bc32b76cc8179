package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"pcapaudit/reports"
	"pcapaudit/rules/draft"
)

// shownLeft is how many parts that were left out are printed one by one; the draft lists them.
const shownLeft = 20

func rulesImportCommand(u *ui) *cobra.Command {
	var name, output string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Draft a rule pack from a document: port tables in Markdown, HTML or CSV, lists of hosts, MUD files, OSCAL plans",
		Long: `Draft a rule pack from a document of a vendor: port tables in Markdown, HTML or CSV, also flattened to lines; lists of hosts with their ports;
MUD files (RFC 8520); the protocols of the components of an OSCAL system security plan. English and French are read.

Every drafted flow cites the lines that state it. What is not understood is not guessed: it is listed with its lines on standard error and at the end
of the draft. The draft says status: draft, and every audit repeats it until a person has reviewed the flows and removed it.

Exit codes: 0, also where parts were left out; 2 usage, or nothing to draft; 5 output, also where the file exists.`,
		Example: `  # A page of a vendor: the draft, and what was not understood.
  pcapaudit rules import testdata/documents/example-backup.md -o backup.yaml

  # Under another name, to standard output.
  pcapaudit rules import --name backup-3 testdata/documents/example-backup.md`,
		Args: exactly(1, "name the document"),
		RunE: func(_ *cobra.Command, args []string) error { return u.importRules(args[0], name, output) },
	}
	c.Flags().StringVar(&name, "name", "", "`NAME` of the pack (default: made of the file's)")
	c.Flags().StringVarP(&output, "output", "o", "-", "write the draft to a new `FILE`; - is standard output")
	return c
}

func (u *ui) importRules(file, name, output string) error {
	data, err := readDocument(file)
	if err != nil {
		return exitError{exitUsage, hint(fmt.Errorf("read %s: %w", file, bare(err)), "name the document's own file, saved as text, Markdown, HTML, CSV or JSON")}
	}
	d, err := draft.New(file, data, name)
	if err != nil {
		return exitError{exitUsage, fmt.Errorf("import %s: %w", file, err)}
	}
	for _, l := range d.Left[:min(len(d.Left), shownLeft)] {
		fmt.Fprintln(u.err, reports.Clean(fmt.Sprintf("left out: %s:%s", file, l)))
	}
	text, err := d.Pack()
	if err != nil {
		return exitError{exitUsage, hint(fmt.Errorf("import %s: %w", file, err), "pcapaudit rules new starts a pack by hand")}
	}
	if err := u.writeDraft(output, text); err != nil {
		return err
	}
	left := len(d.Left) + d.More
	fmt.Fprintln(u.err, reports.Clean(fmt.Sprintf("drafted %d flows from %s; parts left out: %d, listed at the end of the draft", d.Flows, file, left)))
	return nil
}

// readDocument reads a regular file of at most the size that a document may have.
func readDocument(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > draft.MaxFile:
		return nil, fmt.Errorf("the file has %d bytes; a document may have at most %d", info.Size(), draft.MaxFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, draft.MaxFile+1))
}

// writeDraft writes to standard output or a file that does not exist yet: a draft that somebody has edited is not to be lost.
func (u *ui) writeDraft(path string, text []byte) error {
	out, err := u.newFile(path)
	if err != nil {
		return err
	}
	defer out.discard()
	return out.write(text)
}
