//! Places on Earth: cells to find them by, and distances.
//!
//! A place is kept as two 32-bit fractions of the ranges of latitude and longitude (within a centimetre).
//! A cell of level `n` is all places with the same first `n` bits of both, so that there are `4^n`. A
//! place's cells of several levels are terms; a circle is looked for by the cells of one level that touch
//! it, a few dozen, and then every place is measured.

use crate::profile::GeoPoint;

/// Levels that places are indexed by: from a quarter of the Earth to about 0.6 by 1.2 km.
pub(super) const LEVELS: [u32; 8] = [1, 3, 5, 7, 9, 11, 13, 15];

/// Most cells that a circle is covered by, where there is a choice.
const MAX_CELLS: u64 = 64;

/// Mean radius of the Earth in metres.
const EARTH_M: f64 = 6_371_008.8;

const STEPS: f64 = 4_294_967_296.0;

/// A place as one number. Latitudes beyond a pole are the pole, longitudes go round.
pub(super) fn pack(at: GeoPoint) -> u64 {
    let lat = ((at.lat + 90.0) / 180.0 * STEPS).clamp(0.0, STEPS - 1.0) as u64;
    let lon = ((at.lon + 180.0) / 360.0).rem_euclid(1.0) * STEPS;
    (lat << 32) | (lon as u64).min(0xFFFF_FFFF)
}

/// The place of such a number.
pub(super) fn unpack(packed: u64) -> GeoPoint {
    GeoPoint {
        lat: ((packed >> 32) as f64 + 0.5) / STEPS * 180.0 - 90.0,
        lon: ((packed & 0xFFFF_FFFF) as f64 + 0.5) / STEPS * 360.0 - 180.0,
    }
}

/// The cell of a level that holds a place.
pub(super) fn cell(packed: u64, level: u32) -> u64 {
    let down = 32 - level;
    name(level, packed >> 32 >> down, (packed & 0xFFFF_FFFF) >> down)
}

fn name(level: u32, row: u64, column: u64) -> u64 {
    (u64::from(level) << 56) | (row << 28) | column
}

/// A place that distances are measured from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    lat: f64,
    lon: f64,
    cos_lat: f64,
}

impl Origin {
    pub(super) fn new(at: GeoPoint) -> Origin {
        let lat = at.lat.to_radians();
        Origin {
            lat,
            lon: at.lon.to_radians(),
            cos_lat: lat.cos(),
        }
    }

    /// Metres to a place, by the haversine formula.
    pub(super) fn distance_m(&self, packed: u64) -> f64 {
        2.0 * EARTH_M * self.haversine(packed).sqrt().min(1.0).asin()
    }

    /// The square of the sine of half the angle to a place: grows with the distance, and is cheaper.
    #[inline]
    pub(super) fn haversine(&self, packed: u64) -> f64 {
        let to = unpack(packed);
        let lat = to.lat.to_radians();
        let half_lat = ((lat - self.lat) / 2.0).sin();
        let half_lon = ((to.lon.to_radians() - self.lon) / 2.0).sin();
        half_lat * half_lat + self.cos_lat * lat.cos() * half_lon * half_lon
    }

    /// Whether [`Origin::haversine`] is at most `limit`. Near and far places are told by bounds without any
    /// trigonometry (`x - x³/6 <= sin x <= x`, and a cosine changes no faster than its angle), so that only
    /// those close to the edge are measured.
    #[inline]
    pub(super) fn is_within(&self, packed: u64, limit: f64) -> bool {
        use std::f64::consts::{FRAC_PI_2, PI, TAU};
        let lat = ((packed >> 32) as f64 + 0.5) / STEPS * PI - FRAC_PI_2;
        let lon = ((packed & 0xFFFF_FFFF) as f64 + 0.5) / STEPS * TAU - PI;
        let by_lat = (lat - self.lat).abs();
        let by_lon = (lon - self.lon).abs();
        let by_lon = by_lon.min(TAU - by_lon);
        let sum = |lat: f64, lon: f64, cos: f64| lat * lat + self.cos_lat * cos * lon * lon;
        let at_most = sum(by_lat / 2.0, by_lon / 2.0, self.cos_lat + by_lat);
        if at_most <= limit * (1.0 - 1e-9) {
            return true;
        }
        let sine = |half: f64| half - half * half * half / 6.0;
        let cos = (self.cos_lat - by_lat).max(0.0);
        let at_least = sum(sine(by_lat / 2.0), sine(by_lon / 2.0), cos);
        at_least <= limit * (1.0 + 1e-9) && self.haversine(packed) <= limit
    }

    /// Whether [`Origin::haversine`] of every place in a cell is at most `limit`. Not of all such cells: of
    /// the cell's places the farthest in latitude, in longitude and in how far apart meridians are is taken.
    pub(super) fn holds(&self, cell: u64, limit: f64) -> bool {
        use std::f64::consts::{FRAC_PI_2, PI, TAU};
        let cells = (1_u64 << (cell >> 56)) as f64;
        let (height, width) = (PI / cells, TAU / cells);
        let side = |number: u64| (number & 0xFFF_FFFF) as f64 / cells;
        let south = side(cell >> 28) * PI - FRAC_PI_2;
        let north = south + height;
        let by_lat = (south - self.lat).abs().max((north - self.lat).abs());
        let by_lon = (side(cell) * TAU - PI + width / 2.0 - self.lon).abs() % TAU;
        let by_lon = (by_lon.min(TAU - by_lon) + width / 2.0).min(PI);
        let cos = if south <= 0.0 && north >= 0.0 {
            1.0
        } else {
            south.cos().max(north.cos())
        };
        let (half_lat, half_lon) = ((by_lat / 2.0).sin(), (by_lon / 2.0).sin());
        half_lat * half_lat + self.cos_lat * cos * half_lon * half_lon <= limit * (1.0 - 1e-9)
    }

    /// A haversine of the difference of latitudes alone, which is never more: much cheaper.
    #[inline]
    pub(super) fn haversine_at_least(&self, packed: u64) -> f64 {
        let lat = ((packed >> 32) as f64 + 0.5) / STEPS * std::f64::consts::PI
            - std::f64::consts::FRAC_PI_2;
        let half = (lat - self.lat).abs() / 2.0;
        // sin x >= x - x^3 / 6 for x >= 0.
        let sine = half - half * half * half / 6.0;
        sine * sine
    }
}

/// [`Origin::haversine`] of a distance.
pub(super) fn haversine_of(metres: f64) -> f64 {
    let half = (metres / EARTH_M / 2.0).clamp(0.0, std::f64::consts::FRAC_PI_2);
    half.sin() * half.sin()
}

/// Cells that together hold every place within `within_m` of `at`, as ranges of cells, ends included.
pub(super) fn cover(at: GeoPoint, within_m: f64) -> Vec<(u64, u64)> {
    // A metre more than asked for, so that rounding loses nobody.
    let angle = ((within_m + 1.0) / EARTH_M).clamp(0.0, std::f64::consts::PI);
    let (lat, half_lat) = (at.lat.clamp(-90.0, 90.0), angle.to_degrees());
    let (south, north) = (lat - half_lat, lat + half_lat);
    let half_lon = if south <= -90.0 || north >= 90.0 {
        // The circle holds a pole, and with it all longitudes.
        180.0
    } else {
        (angle.sin() / lat.to_radians().cos())
            .clamp(-1.0, 1.0)
            .asin()
            .to_degrees()
    };
    let row_of = |lat: f64, level: u32| pack(GeoPoint { lat, lon: 0.0 }) >> 32 >> (32 - level);
    let mut best = Vec::new();
    for level in LEVELS {
        let columns = 1_u64 << level;
        let (first_row, last_row) = (row_of(south, level), row_of(north, level));
        let width = 360.0 / columns as f64;
        let from = ((at.lon + 180.0 - half_lon) / width).floor();
        let to = ((at.lon + 180.0 + half_lon) / width).floor();
        let count = ((to - from) as u64 + 1).min(columns);
        let rows = last_row - first_row + 1;
        if !best.is_empty() && rows * count > MAX_CELLS {
            break;
        }
        best.clear();
        let first = from.rem_euclid(columns as f64) as u64 % columns;
        for row in first_row..=last_row {
            if count == columns {
                best.push((name(level, row, 0), name(level, row, columns - 1)));
            } else if first + count <= columns {
                best.push((name(level, row, first), name(level, row, first + count - 1)));
            } else {
                // Across the date line.
                best.push((name(level, row, first), name(level, row, columns - 1)));
                best.push((
                    name(level, row, 0),
                    name(level, row, first + count - columns - 1),
                ));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> GeoPoint {
        GeoPoint { lat, lon }
    }

    #[test]
    fn distances_are_right() {
        let berlin = Origin::new(at(52.5200, 13.4050));
        let munich = berlin.distance_m(pack(at(48.1374, 11.5755)));
        assert!((munich - 504_000.0).abs() < 2_000.0, "{munich}");
        let across = Origin::new(at(0.0, 179.9)).distance_m(pack(at(0.0, -179.9)));
        assert!((across - 22_239.0).abs() < 10.0, "{across}");
        let pole = Origin::new(at(90.0, 0.0)).distance_m(pack(at(89.0, 77.0)));
        assert!((pole - 111_195.0).abs() < 10.0, "{pole}");
    }

    /// Whoever is inside a circle is in one of its cells: everywhere, also at the poles and the date line.
    #[test]
    fn covers_miss_nobody() {
        let mut random = fastrand::Rng::with_seed(11);
        let places: Vec<u64> = (0..4_000)
            .map(|index| {
                let lat = match index % 4 {
                    0 => 90.0 - random.f64() * 0.5,
                    1 => -90.0 + random.f64() * 0.5,
                    _ => random.f64() * 180.0 - 90.0,
                };
                let lon = if index % 3 == 0 {
                    180.0 - random.f64()
                } else {
                    random.f64() * 360.0
                };
                pack(at(lat, lon))
            })
            .collect();
        let (mut inside, mut unmeasured) = (0, 0);
        for round in 0..400 {
            let middle = unpack(places[random.usize(..places.len())]);
            let within_m = 10_f64.powf(random.f64() * 6.0 + 1.3);
            let cells = cover(middle, within_m);
            let origin = Origin::new(middle);
            let many: u64 = cells.iter().map(|(from, to)| to - from + 1).sum();
            assert!(
                many <= MAX_CELLS,
                "{many} cells for {within_m} m at {middle:?}"
            );
            let level = (cells[0].0 >> 56) as u32;
            for place in &places {
                assert!(origin.haversine_at_least(*place) <= origin.haversine(*place) + 1e-15);
                let limit = haversine_of(within_m);
                let is_within = origin.haversine(*place) <= limit;
                assert_eq!(origin.is_within(*place, limit), is_within);
                let cell = cell(*place, level);
                if origin.holds(cell, limit) {
                    assert!(is_within, "{:?} in {cell:x}", unpack(*place));
                    unmeasured += 1;
                }
                if origin.distance_m(*place) > within_m {
                    continue;
                }
                inside += 1;
                assert!(
                    cells.iter().any(|(from, to)| (*from..=*to).contains(&cell)),
                    "round {round}: {:?} is missed within {within_m} of {middle:?}",
                    unpack(*place)
                );
            }
        }
        assert!(inside > 10_000, "{inside}");
        assert!(unmeasured > inside / 3, "{unmeasured} of {inside}");
    }
}
