// Pictures of pots: each is a surface of revolution, drawn from the profile that the database holds.
package pictures

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"
	"strings"
)

const (
	tilt    = 0.20 // how far from above one looks: the height of a circle that is 1 wide
	samples = 3    // a pixel is samples × samples rays
	steps   = 1024
)

type Pot struct {
	Height  int    // of the pot, in hundredths of the picture's height
	Profile string // radii from rim to foot, in hundredths of half the picture's width
	Glaze   string // #rrggbb
	Seed    int    // of the speckles and of the glaze's edge
}

var (
	wallAbove = decode(0xf1, 0xec, 0xe4)
	wallBelow = decode(0xdd, 0xd4, 0xc7)
	light     = vector{-0.55, -0.6, 0.62}.unit()
	highlight = light.plus(vector{0, 0, 1}).unit()
)

type vector struct{ x, y, z float64 }

func (v vector) times(f float64) vector         { return vector{v.x * f, v.y * f, v.z * f} }
func (v vector) plus(o vector) vector           { return vector{v.x + o.x, v.y + o.y, v.z + o.z} }
func (v vector) mix(o vector, f float64) vector { return v.times(1 - f).plus(o.times(f)) }
func (v vector) dot(o vector) float64           { return v.x*o.x + v.y*o.y + v.z*o.z }
func (v vector) unit() vector                   { return v.times(1 / math.Sqrt(v.dot(v))) }

// Draw renders the pot as a PNG of size × size pixels. It stops when ctx ends.
func Draw(ctx context.Context, out io.Writer, pot Pot, size int) error {
	scene, err := prepare(pot)
	if err != nil {
		return err
	}
	picture := image.NewRGBA(image.Rect(0, 0, size, size))
	for py := range size {
		if err := ctx.Err(); err != nil {
			return err
		}
		for px := range size {
			var sum vector
			for s := range samples * samples {
				x := (float64(px) + (float64(s%samples)+0.5)/samples) / float64(size)
				y := (float64(py) + (float64(s/samples)+0.5)/samples) / float64(size)
				sum = sum.plus(scene.at(x*2-1, y*2))
			}
			c := sum.times(1.0 / (samples * samples))
			picture.SetRGBA(px, py, color.RGBA{encode(c.x), encode(c.y), encode(c.z), 255})
		}
	}
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(out, picture)
}

type scene struct {
	top, height float64
	radius      [steps + 1]float64
	glaze, clay vector
	seed        float64
}

func prepare(pot Pot) (*scene, error) {
	var points []float64
	for _, word := range strings.Fields(pot.Profile) {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil || n < 1 || n > 95 {
			return nil, fmt.Errorf("profile: %q is no radius from 1 to 95", word)
		}
		points = append(points, n/100)
	}
	if len(points) < 2 {
		return nil, fmt.Errorf("profile %q has fewer than two radii", pot.Profile)
	}
	if pot.Height < 5 || pot.Height > 85 {
		return nil, fmt.Errorf("height %d is not from 5 to 85", pot.Height)
	}
	rgb, err := strconv.ParseUint(strings.TrimPrefix(pot.Glaze, "#"), 16, 24)
	if err != nil {
		return nil, fmt.Errorf("glaze %q is no colour", pot.Glaze)
	}
	s := &scene{
		height: float64(pot.Height) / 50,
		glaze:  decode(byte(rgb>>16), byte(rgb>>8), byte(rgb)),
		clay:   decode(0xb9, 0x93, 0x6f),
		seed:   float64(pot.Seed),
	}
	s.top = 1.78 - s.height - tilt*points[len(points)-1]
	for i := range s.radius {
		s.radius[i] = spline(points, float64(i)/steps)
	}
	return s, nil
}

// at gives the colour seen at x in -1…1, y in 0…2 from the top.
func (s *scene) at(x, y float64) vector {

	// The front of the surface: the height h at which a point of the ring lies under this pixel.
	h := (y - s.top) / s.height
	r, inside := 0.0, true
	for range 8 {
		r = s.at1(h)
		if r <= math.Abs(x) {
			inside = false
			break
		}
		h = (y - s.top - tilt*math.Sqrt(r*r-x*x)) / s.height
	}
	if inside && h >= 0 && h <= 1 {
		return s.shade(x, h, r)
	}

	rim := s.radius[0]
	if d := square(x/rim) + square((y-s.top)/(tilt*rim)); d <= 1 {
		if d > 0.86 {
			return s.glaze.mix(vector{1, 1, 1}, 0.28)
		}
		depth := 0.16 + 0.30*math.Max(0, x/rim*0.6+(y-s.top)/(tilt*rim)*0.4)
		return s.glaze.times(depth)
	}

	foot := s.radius[steps]
	shadow := square((x-0.10)/(foot*1.5)) + square((y-s.top-s.height-0.03)/(tilt*foot*1.5))
	return wallAbove.mix(wallBelow, y/2).times(1 - 0.42*math.Exp(-1.6*shadow))
}

func (s *scene) shade(x, h, r float64) vector {
	z := math.Sqrt(math.Max(0, r*r-x*x))
	slope := (s.at1(h+0.004) - s.at1(h-0.004)) / (0.008 * s.height)
	normal := vector{x / r, -slope, z / r}.unit()
	angle := math.Atan2(x, z)

	surface := s.glaze
	edge := 0.80 + 0.025*math.Sin(3*angle+s.seed) + 0.012*math.Sin(7*angle+2*s.seed)
	if h > edge {
		surface = s.clay
	} else {
		surface = surface.mix(vector{1, 1, 1}, 0.10*math.Exp(-30*h)) // thin at the rim
		surface = surface.times(0.86 + 0.14*smooth((edge-h)/0.10))   // thick where it ran down
		surface = surface.times(1 - 0.55*speckle(angle*14, h*s.height*26, s.seed))
	}
	diffuse := math.Max(0, normal.dot(light))
	ambient := 0.30 + 0.08*normal.x
	c := surface.times(ambient + 0.85*diffuse)
	if h <= edge {
		c = c.plus(vector{1, 1, 1}.times(0.35 * math.Pow(math.Max(0, normal.dot(highlight)), 48)))
	}
	return c
}

func (s *scene) at1(h float64) float64 {
	at := math.Min(math.Max(h, 0), 1) * steps
	i := min(int(at), steps-1)
	return s.radius[i] + (s.radius[i+1]-s.radius[i])*(at-float64(i))
}

// spline runs through all points (Catmull-Rom).
func spline(points []float64, t float64) float64 {
	at := t * float64(len(points)-1)
	i := min(int(at), len(points)-2)
	f := at - float64(i)
	p := func(k int) float64 { return points[min(max(k, 0), len(points)-1)] }
	a, b, c, d := p(i-1), p(i), p(i+1), p(i+2)
	return math.Max(0.005, b+0.5*f*(c-a+f*(2*a-5*b+4*c-d+f*(3*(b-c)+d-a))))
}

func speckle(u, v, seed float64) float64 {
	cu, cv := math.Floor(u), math.Floor(v)
	n := noise(cu, cv, seed)
	if n < 0.62 {
		return 0
	}
	du, dv := u-cu-0.3-0.4*noise(cu, cv, seed+1), v-cv-0.3-0.4*noise(cu, cv, seed+2)
	return smooth((0.05 + 0.16*(n-0.62)/0.38 - math.Hypot(du, dv)) / 0.06)
}

func noise(a, b, c float64) float64 {
	n := math.Sin(a*127.1+b*311.7+c*74.7) * 43758.5453
	return n - math.Floor(n)
}

func smooth(t float64) float64 {
	t = math.Min(math.Max(t, 0), 1)
	return t * t * (3 - 2*t)
}

func square(x float64) float64 { return x * x }

// Light adds up in linear space; a PNG holds it with gamma 2.2.
func decode(r, g, b byte) vector {
	f := func(v byte) float64 { return math.Pow(float64(v)/255, 2.2) }
	return vector{f(r), f(g), f(b)}
}

func encode(v float64) byte {
	return byte(255*math.Pow(math.Min(math.Max(v, 0), 1), 1/2.2) + 0.5)
}
