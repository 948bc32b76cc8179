package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

// loadAudit reads an audit JSON file and gives the SHA-256 of its bytes.
func loadAudit(path string) (*classify.Audit, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", auditUnread(path, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, "", auditUnread(path, errors.New("is a directory"))
	}
	a, sum, err := classify.Load(f)
	if err != nil {
		return nil, "", auditUnread(path, err)
	}
	return a, sum, nil
}

func auditUnread(path string, err error) error {
	advice := "give the JSON report of an audit (audit --report FILE.json)"
	switch {
	case errors.Is(err, classify.ErrNewerSchema):
		advice = "use the version of pcapaudit that wrote it, or a later one"
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		advice = inputAdvice(err)
	}
	return exitError{exitInput, hint(fmt.Errorf("reading %s: %w", path, bare(err)), "%s", advice)}
}

// rendering is how and in which format standard output is written.
func (u *ui) rendering(name string, all bool, oscal oscalFlags) (reports.Look, reports.Format, error) {
	format, err := reports.ByName(name)
	if err != nil {
		return reports.Look{}, format, misspelt(err, name, formatNames())
	}
	look, err := u.look(all)
	if err == nil {
		look, err = oscal.look(look)
	}
	return look, format, err
}

// auditFiles completes audit files in the shell.
func auditFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}

func formatNames() []string {
	var names []string
	for _, f := range reports.Formats {
		names = append(names, f.Name)
	}
	return names
}

func formatExtensions() []string {
	var list []string
	for _, f := range reports.Formats {
		list = append(list, f.Extension)
	}
	return list
}

// formatFlag is the format on standard output.
func formatFlag(c *cobra.Command, format *string) {
	names := formatNames()
	c.Flags().StringVar(format, "format", "table", "`FORMAT` of the report on standard output: "+strings.Join(names, ", "))
	completeWords(c, "format", names...)
}

// reportFlag names files to write the report to.
func reportFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVar(files, "report", nil, "also write a report to `FILE`, in the format of its extension: "+strings.Join(formatExtensions(), ", "))
}
