-- The catalogue. Descriptions and prices follow this file; stock is set once and belongs to the shop from then on.
INSERT INTO products (position, sku, name, kind, price_cents, stock, height, glaze, profile, description) VALUES
    (1, 'moon-jar', 'Moon Jar', 'Vase', 18900, 400, 62, '#e9e4d8', '20 26 44 56 58 54 44 30 22',
     'A full belly on a narrow foot, in oatmeal white. No two are quite round, which is the point of them.'),
    (2, 'bud-vase', 'Bud Vase', 'Vase', 4200, 2500, 70, '#5f7f86', '9 8 9 12 22 30 31 27 20',
     'For a single stem. The glaze breaks to grey where it is thin.'),
    (3, 'wide-bowl', 'Wide Bowl', 'Bowl', 6800, 1200, 26, '#39556b', '72 70 64 52 36 28',
     'For salad, fruit, or a table that needs a middle.'),
    (4, 'tea-bowl', 'Tea Bowl', 'Bowl', 3400, 3000, 32, '#7a8f6a', '40 41 40 36 28 20',
     'Sits in two hands. Celadon green inside and out, bare clay at the foot.'),
    (5, 'tall-vase', 'Tall Vase', 'Vase', 12400, 600, 76, '#2f3e46', '24 18 16 20 28 32 30 24 20',
     'Near black and quietly shining. Carries branches rather than flowers.'),
    (6, 'bottle', 'Oil Bottle', 'Bottle', 5600, 1500, 74, '#a35c3d', '12 9 9 10 22 34 36 35 32',
     'Pours a thin line and does not drip. Iron red over a heavy base.'),
    (7, 'tumbler', 'Tumbler', 'Cup', 2600, 5000, 44, '#c9a66b', '30 28 27 26 25 24',
     'Stacks, keeps warm, survives the dishwasher. Honey glaze.'),
    (8, 'planter', 'Planter', 'Garden', 7400, 900, 50, '#8a9a8e', '56 54 50 46 42 40',
     'Holed at the foot, frost proof, made for herbs.'),
    (9, 'storage-jar', 'Storage Jar', 'Jar', 8200, 800, 56, '#b8b09c', '30 28 40 46 46 44 40 36',
     'Two litres of flour, coffee or sourdough. Takes a cork lid.'),
    (10, 'plate', 'Dinner Plate', 'Plate', 3900, 4000, 10, '#4c6a72', '80 70 50 34',
     'Twenty-eight centimetres with a broad rim. Slate blue.'),
    (11, 'pitcher', 'Water Pitcher', 'Bottle', 9600, 700, 64, '#d8c7a9', '26 20 22 32 38 38 32 26',
     'One and a half litres, balanced when full.'),
    (12, 'incense-pot', 'Incense Pot', 'Jar', 4800, 1100, 36, '#6d4c5b', '16 28 40 42 36 26 24',
     'Small, round and plum. Ash stays inside.')
ON CONFLICT (sku) DO UPDATE SET
    position = excluded.position, name = excluded.name, kind = excluded.kind, price_cents = excluded.price_cents,
    height = excluded.height, glaze = excluded.glaze, profile = excluded.profile, description = excluded.description;
