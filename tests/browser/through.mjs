// The two ways on which a page of the add-on comes to the user, in the same words: through Connect the page stands in a
// frame of the sandbox's page, through Forge in a frame of the app's shell, which stands in a frame of the product's page.

/** Where the sandbox shows the module, such as `generalPages/hello-world-page`. */
const address = (origin, module, query) => `${origin}/jira/modules/${module}?${new URLSearchParams(query)}`;

export const connect = {
  name: 'Connect',
  url: (starter, module, query = {}) => address(starter.url, module, query),

  /** The frame of the add-on's page, once it has spoken with the bridge. */
  async app(page, within = '#frame') {
    const element = await page.waitForSelector(`${within} iframe[data-bridge=established]`);
    return element.contentFrame();
  },

  /** In the frame, whether the page speaks with the bridge or not. */
  inFrame: (page, within = '#frame') => page.frameLocator(`${within} iframe`),

  /** How high the page is shown. */
  height: async (page) => (await page.locator('#frame iframe').boundingBox()).height,

  /** Where the buttons of a dialog are, and what went wrong in it: the product draws them. */
  buttons: (page) => page.locator('dialog'),

  /** The user leaves a dialog: the page in the frame hands the key on. */
  async leave(page) {
    await this.inFrame(page, 'dialog').locator('h1').click();
    await page.keyboard.press('Escape');
  },
};

export const forge = {
  name: 'Forge',
  url: (starter, module, query = {}) => address(starter.productUrl, module, query),

  async app(page, within = '#modules') {
    const shell = await (await page.waitForSelector(`${within} iframe.forge-frame`)).contentFrame();
    const element = await shell.waitForSelector('iframe.page');
    // it goes when the page has got its port
    await shell.waitForSelector('.skeleton', { state: 'detached' });
    return element.contentFrame();
  },

  inFrame: (page, within = '#modules') => page.frameLocator(`${within} iframe.forge-frame`).frameLocator('iframe.page'),

  height: async (page) => (await page.locator('#modules iframe.forge-frame').boundingBox()).height,

  /** The shell draws them. */
  buttons: (page) => page.frameLocator('dialog iframe.forge-frame').locator('body'),

  /** Keys in the frame stay there. */
  leave: (page) => page.locator('dialog').getByRole('button', { name: 'Close' }).click(),
};
