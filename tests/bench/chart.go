package main

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// charted are the contestants of the chart, and their colours: ours stands out,
// and the rest can be told apart in grey.
var charted = []struct {
	name   string
	colour color.RGBA
}{
	{"rbdfs", color.RGBA{0x1f, 0x77, 0xb4, 0xff}},
	{"qemu-storage-daemon", color.RGBA{0xff, 0x9f, 0x40, 0xff}},
	{"rbd-fuse", color.RGBA{0xb0, 0xb0, 0xb0, 0xff}},
}

// inChart are the workloads with a ratio to librbd, first ones last, since the
// axis goes upwards.
func (r *report) inChart() []result {
	var in []result
	for _, w := range r.Workloads {
		if w.Reference == "librbd" && w.entry("librbd") != nil {
			in = append(in, w)
		}
	}
	slices.Reverse(in)
	return in
}

// hasChart says whether there is something to draw.
func (r *report) hasChart() bool { return len(r.inChart()) > 0 }

// chart draws the ratios to librbd as bars, as SVG.
func (r *report) chart(path string) error {
	const thick = 7 // points, of a bar
	workloads := r.inChart()
	p := plot.New()
	p.Title.Text = "Operations a second, librbd without a file system = 1"
	p.X.Min = 0
	for i, c := range charted {
		values := make(plotter.Values, len(workloads))
		for j := range workloads {
			if e := workloads[j].entry(c.name); e != nil {
				values[j] = e.Ratio
			}
		}
		bars, err := plotter.NewBarChart(values, vg.Points(thick))
		if err != nil {
			return fmt.Errorf("chart: %w", err)
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, c.colour, 0
		bars.Offset = vg.Points(float64(thick * (len(charted)/2 - i)))
		p.Add(bars)
		p.Legend.Add(c.name, bars)
	}
	p.Add(unity(len(workloads)))
	p.X.Max = max(p.X.Max, 1.1)
	p.Y.Max = float64(len(workloads)) + 0.5 // room for the legend
	p.Legend.Top = true
	p.NominalY(titles(workloads)...)
	height := vg.Points(float64(120 + len(workloads)*thick*(len(charted)+1)))
	return p.Save(vg.Points(640), height, path)
}

// unity is a line where librbd is.
func unity(rows int) plot.Plotter {
	line, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(rows) - 0.5}})
	if err != nil {
		panic(err) // only for points that are not numbers
	}
	line.Color = color.Gray{0x60}
	return line
}

// titles are those of the workloads.
func titles(workloads []result) []string {
	var all []string
	for _, w := range workloads {
		all = append(all, w.Title)
	}
	return all
}
