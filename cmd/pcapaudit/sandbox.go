package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/capture/sandbox"
)

// sandboxMode is the value of --sandbox.
type sandboxMode string

const (
	sandboxOn     sandboxMode = "on" // as far as the kernel can
	sandboxOff    sandboxMode = "off"
	sandboxStrict sandboxMode = "strict" // or not at all
)

func (m *sandboxMode) String() string { return string(*m) }
func (m *sandboxMode) Type() string   { return "string" }

func (m *sandboxMode) Set(s string) error {
	switch mode := sandboxMode(s); mode {
	case sandboxOn, sandboxOff, sandboxStrict:
		*m = mode
		return nil
	}
	return misspelt(errors.New("use on, off or strict"), s, []string{string(sandboxOn), string(sandboxOff), string(sandboxStrict)})
}

// sandboxHelp is the part of the commands' help that explains --sandbox.
const sandboxHelp = `
Before the first packet is looked at the command gives up what it does not need any more (Linux): capabilities, the network, other
programs, and all files but those that it was given to read and the names of those that it writes. What the kernel cannot enforce is passed
over; --sandbox strict exits with 6 instead, and says what it is.`

func sandboxFlag(c *cobra.Command, m *sandboxMode) {
	*m = sandboxOn
	c.Flags().Var(m, "sandbox", "`WHEN` rights are given up that reading captures does not need: on (as far as the kernel can), off, strict (or exit 6)")
	completeWords(c, "sandbox", string(sandboxOn), string(sandboxOff), string(sandboxStrict))
}

// confine gives up the rights of this process that lie outside the plan, and says what was enforced: nil where the sandbox is off.
func (u *ui) confine(mode sandboxMode, p sandbox.Plan) (sandbox.Enforced, error) {
	if mode == sandboxOff || u.enter == nil {
		return nil, nil
	}
	p.Strict = mode == sandboxStrict
	e, err := u.enter(p)
	if err != nil {
		err = exitError{exitCapture, hint(err, "--sandbox on goes on with what the kernel can enforce")}
	}
	return e, err
}

// plan is reading captures and giving the outputs their names.
func (o *outputs) plan(captures []string) sandbox.Plan {
	p := sandbox.Plan{Read: readable(captures)}
	for _, f := range o.files {
		p.Name = append(p.Name, filepath.Dir(f.path))
		if o.seal != nil { // its manifest is made from what the others hold
			p.Read = append(p.Read, f.Name())
		}
	}
	return p
}

// readable are the paths that reading captures opens: files, directories, those that patterns look into, and what links there lead to.
func readable(captures []string) []string {
	var list []string
	for _, arg := range captures {
		_, err := os.Stat(arg)
		switch {
		case arg == "-":
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
			list = append(list, matched(arg)...)
		default:
			list = append(append(list, arg), linked(arg)...)
		}
	}
	return list
}

// linked are the links in a directory.
func linked(dir string) []string {
	var list []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // a file
	}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink != 0 {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list
}

// matched are the directory above the first wildcard of a pattern, and the matches that links lead to out of it, with the directories they are looked up in.
func matched(pattern string) []string {
	base := filepath.Dir(pattern[:strings.IndexAny(pattern, "*?[")] + "x")
	list := []string{base}
	below, err := filepath.EvalSymlinks(base)
	if err != nil {
		return nil
	}
	matches, _ := filepath.Glob(pattern)
	for _, m := range matches {
		real, err := filepath.EvalSymlinks(m)
		if err != nil {
			continue
		}
		if rel, err := filepath.Rel(below, real); err != nil || !filepath.IsLocal(rel) {
			list = append(list, filepath.Dir(m), m)
		}
	}
	return list
}
